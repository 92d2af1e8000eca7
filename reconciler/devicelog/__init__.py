"""Reads what the audit devices of Vault and OpenBao write: JSON lines in which values are keyed hashes, and names are not.

Each request stands there twice, before and after; only the second, the response, is counted, since it has the first in it
and says how it ended. Files are read once, line by line, in memory that does not grow with them; what is counted has a
ceiling. A token's hash is the same throughout one device, so whoever logged in is known from then on by it.

Our own requests: the run's id is in the header X-Correlation-Id, which a server keeps where it is told to
(`sys/config/auditing/request-headers/X-Correlation-Id`). Where it is not, a token counts as a run's if it wrote what the
audit log tells, when it tells it: that is as sure as both clocks. The server's own request id reaches nobody with a
204, so it cannot be what both sides know.
"""
