"""What is kept for how long: what is due to go, what stays although it is old, and why.

    due         what a look came to: what goes, what stays; legal holds
    versions    values that were replaced long ago, store by store
    backups     backup files
    segments    the audit log

Looking decides and changes nothing. Whoever carries it out looks again at each thing right before it goes.

* **Age counts from when something was replaced**, not from when it was made: a value that was good for two years and was
  replaced yesterday is what a rollback needs today.
* **What readers get never goes**, nor what a rotation under way names, nor what the store's own labels are on. Where the
  state of a rotation cannot be read, nothing of that secret goes.
* **The newest backup never goes**, however old: a rule about age must not end in having none.
* **A hold keeps more rather than less**: what overlaps its days is kept whole.
"""
