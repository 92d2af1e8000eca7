"""Vault and OpenBao: connection, hot transport, logins and the client that the rest of the program uses.

    connection   where a server is and how to reach it: TLS, proxy
    wire         one kept-alive HTTP/1.1 connection
    pool         many of them; a standby's redirect
    transport    retries with back-off, up to a stated limit
    parallel     reads in bulk
    client       VaultClient: read, list, scan, read_many, write, delete
    faults       error answers in words, without what was sent
    auth, login  credentials; one login a run, renewed and revoked

Why our own HTTP: of processor time, one GET of a role costs this process 70 to 90 us (nearly all of it the two system
calls and the JSON), 170 with `http.client`, whose headers go through the e-mail parser, and 800 with hvac. In threads
that is what counts, since they share one interpreter. With 16 of them on two cores shared with the server: 5,200 to
6,600 GETs a second, and 3,600 to 4,900 with `http.client`; on the same cores busy otherwise, 3,400 to hvac's 850.

hvac does the logins, over our transport: so they too have the TLS server name, the safe redirects and the retries.
"""
