"""Tests over the whole catalogue: what holds for one check holds for all."""
