"""Moves secrets from one store to another, with history and metadata, while they are in use.

One idea carries all of it: a follower is brought up to what a leader has (`follow`), version by version, oldest first.
Which version of one became which of the other is kept on the ledger's shelf (`pairs`); what was written there without being
noted, by a process that was killed, is recognised by its value. So the first copy, a second one after a kill, what a writer
does after each write, and the way back after a cutover are the same few lines, and doing them twice does nothing.

The source leads until the cutover, the destination from then on; `record` says which, to every machine. Nothing is ever
deleted from a store that was left. Considered and rejected: recognising what was copied by values alone (two versions may be
equal, and others are destroyed meanwhile), and a journal of each step (the stores themselves say more than it could).
"""
