"""Recorders write steps to the observation: requests, commands, queries, transactions, HTTP clients, log records."""
