"""Rows of the catalogue's cases, on a store that is used again and again."""

from catalogue.conftest import postgresql_rows, prepare, sqlite_rows
from cli.conftest import run

__all__ = ["postgresql_rows", "prepare", "run", "sqlite_rows"]
