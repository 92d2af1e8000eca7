"""Rotation of secrets that no crash can break: level-triggered passes over a state machine.

    policy, targets   what is declared, and what of it cannot be honest
    due               when, with jitter; how many at once
    state             the document at `_rotation/PATH`: phase, pending value, fence
    seen              observations and actions, as values
    machine           decide(state, seen, now) -> one action; forward, ending: its phases; moves: what they share
    job, look, run    one secret and its document; what a pass reads; one pass: read, decide, one mutation
    trail             what of it the audit log is told: where versions are made, and lost answers
    rotate, turns     passes until nothing more can be done now; over many secrets, as the caps allow
    people            hold, release, adopt
    strategy          what a sort of secret must be able to do; one file each beside it
    validation        is a new value good: login, HTTP, command; k of n
    canary            the share of consumers that has the new value
    status, metrics   rows for people and machines

Decisions, and what was rejected, each shown by the model in the tests:

* The pending value is recorded before the target sees it. The other way round, a crash between the two loses it.
* Check-and-set alone is not enough: a rotator that slept would change a target long after others went on. Targets
  therefore refuse fences that are not newer than the last, and one fence is good for one change. "Not older" is too
  weak: a late repetition would undo what a person has done since.
* Aborting before the promotion ends with a change of the target behind a newer fence, even where the target is as it
  should be: the fence is what stops those who sleep. Aborting after it was decided to promote first writes the old value
  anew, which is the same for the secret itself.
* Nothing is revoked unless a probe has just accepted what readers get.
* A value that a person wrote is never overwritten. Where the target accepts it, it counts as a rotation by hand.
* Values are compared, not fingerprints: a lost HMAC key must not stop a rotation.
"""
