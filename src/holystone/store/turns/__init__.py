"""The turn protocol of the engine: fetch a turn, ack it or give it back, each in one short transaction.

Sources: the `Provider` trait in src/providers/mod.rs of microsoft/duroxide, its SQLite provider, and the
functions of microsoft/duroxide-pg. What an execution's row says and what its history says change together here,
and nowhere else: status, output and completed_at are derived from the terminal event that is being appended.
"""
