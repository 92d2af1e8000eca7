"""Backups: what was remembered, recorded and kept secret in one environment, in one file that only its recipients can open.

    reconciler-backup/1                       one line
    age file                                  the payload: JSON lines, encrypted for every recipient
    JSON lines                                the index: what each line of the payload is, with its keyed fingerprint
    signed note                               the manifest: sizes and digests of both, and what was backed up from where
    length of the note                        one line

Decisions, and why:

* **age for the payload**, not a format of our own. Its chunks are bound to their number and to which is the last, it takes
  several recipients, and on the worst day `age -d` and `jq` open the payload where nothing of ours can be installed.
* **The note comes last**, since only then everything is known; so a file is written in one pass, of any size. That the
  length of the note is at the very end means that a file that was cut has none.
* **Whoever knows a recipient can encrypt for it**, so the signature decides, not that it can be decrypted. The key that
  signs is that of the audit log, and its first line makes the note no checkpoint of a log.
* **The fingerprints' key is in the payload**, a new one for each backup: whoever has only the file cannot try values, nor
  see that two backups hold the same.
* **States of rotations come before the secrets**: one that went on meanwhile then looks as if it had been slow, and never
  as if it had finished with a value that is not there.
* **The heads of ledger and audit log come after what they name**, in the file and when they are restored: a restore that
  is killed leaves them without a head, and the next one goes on.
"""
