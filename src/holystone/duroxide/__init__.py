"""What the engine writes and decides: its events, messages, statuses and tables, without a connection to any store."""
