"""The ledger: machine memory of one environment, and the lock under which it changes.

Decisions, and why:

* **The head is the commit point.** One small entry, written by check-and-set, names immutable chunks. A run that is
  killed between writing chunks and writing the head leaves the head as it was, and some chunks that nobody names.
* **Buckets by hash of address.** A changed object rewrites the one chunk that holds it, not the whole.
* **A chunk's name begins with the fence of the run that wrote it.** A run then deletes only what it or an older run
  wrote, so a run that is paused in the middle of collecting garbage cannot delete what its successor just wrote.
  With plain content hashes it could: the successor may write the same content again.
* **One protocol, three places** (`kv`, `s3`, `file`), held together by one contract suite.

Rejected: one entry an object (10,000 requests a plan), one entry for all (raft refuses above 1 MiB), a database.
"""
