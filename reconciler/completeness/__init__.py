"""Holds what the stores have against what the audit log tells of it: each version of each secret, one applied outcome; and back.

What no outcome names was written past the reconciler. Nothing is believed because it is plausible: a write whose answer
was lost may account for one version that was made while it ran, and is told as unsure; what is older than the log, or
told by lines that are in an archive, is counted and not judged. Times are the store's and the log's: two clocks that are
`CLOCKS` apart make findings, and should.
"""
