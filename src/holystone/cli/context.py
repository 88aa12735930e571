"""What a command leaves in click's context for whoever tells of its errors."""

TARGET = "holystone.target"
"""The store that it was given, as a `Target`."""
