"""What the extension pg_durable keeps beside the engine's store, in a schema of its own. No connection.

pg_durable runs graphs of SQL on the engine, in the same database. Its tables say again what the engine's history says:
which instances there are, whose they are, and how far they have come.
"""
