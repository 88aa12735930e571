"""Checks, repairs and migrations for the databases of durable executions."""

__version__ = "0.1.0"
