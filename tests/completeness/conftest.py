"""A site: a repository with a place on a real server."""

from __future__ import annotations

from tests.cli.conftest import site

__all__ = ["site"]
