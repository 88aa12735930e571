"""Repairs: from findings to a plan, from a plan to journaled changes, and back."""
