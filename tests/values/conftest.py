"""Rows of the catalogue's cases, on a store that is used again and again."""

from catalogue.conftest import postgresql_rows, prepare, sqlite_rows

__all__ = ["postgresql_rows", "prepare", "sqlite_rows"]
