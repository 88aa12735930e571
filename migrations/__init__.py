"""The versioned schemas, run by Alembic: of the engine's tables in the branch `store`, of holystone's in `toolkit`."""
