"""The versioned schema of holystone's own tables, run by Alembic."""
