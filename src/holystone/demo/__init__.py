"""The demonstration: a small store, its drift, and the way back."""
