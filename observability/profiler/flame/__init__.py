"""Flame graphs: where the Python code of one call spent its time."""
