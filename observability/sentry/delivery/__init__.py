"""Deliver events to the Sentry server: a spool of files, and a worker thread that sends them."""
