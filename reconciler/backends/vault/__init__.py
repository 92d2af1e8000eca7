"""Vault and OpenBao: connection, hot transport, logins and the client that the rest of the program uses."""
