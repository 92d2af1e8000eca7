"""Rows to text, JSON, markdown or HTML. Decides nothing and reads nothing."""
