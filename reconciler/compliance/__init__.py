"""Checks over desired and live state, and the controls of frameworks that they give evidence for.

Everything that is looked at is gathered first, into one frozen `Evidence`; a check is a pure function over it. A part that
could not be read is there as its reason, and makes a check that needs it NOT ASSESSED: missing evidence is never a pass.
"""
