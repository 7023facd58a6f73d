"""Layers of a logging configuration: how they are read and merged, and what may be wrong with them."""
