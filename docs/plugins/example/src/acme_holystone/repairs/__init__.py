"""The repairs, one a module."""
