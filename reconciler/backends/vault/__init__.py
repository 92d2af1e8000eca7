"""Vault and OpenBao: connection, hot transport, logins and the client that the rest of the program uses.

    connection   where a server is and how to reach it: TLS, proxy
    wire         one kept-alive HTTP/1.1 connection
    pool         many of them; a standby's redirect
    transport    retries with back-off, up to a stated limit
    parallel     reads in bulk
    client       VaultClient: read, list, scan, read_many, write, delete
    faults       error answers in words, without what was sent
    auth, login  credentials; one login a run, renewed and revoked

Why our own HTTP: processor time of this process for one GET of a role, over 5,000 on loopback, is 70 to 90 us here
(of which about 75 are the two system calls and the JSON), 170 with `http.client`, whose headers go through the e-mail
parser, and 800 with hvac. With 16 threads on two cores that the server shares, that is 5,200 to 6,600, 3,600 to
4,900 and 900 to 1,150 GETs a second.

hvac does the logins, over our transport: so they too have the TLS server name, the safe redirects and the retries.
"""
