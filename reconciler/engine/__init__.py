"""One verb a file: survey, plan, apply, rollback, drift.

Planning is three steps that never mix: read everything that the decision needs (`survey`), decide purely
(`core.diff`, `core.order`, `core.guard`), and only then write (`apply`). An apply is handed changes, not desired or
live state: what was planned is all that it can do.
"""
