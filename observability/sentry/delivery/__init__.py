"""Deliver events to the server: a spool of files, and the worker thread that sends them."""
