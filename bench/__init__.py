"""Benchmarks of holystone: a maker of big stores, and a timer of whole commands."""
