"""Reporting failures to Sentry."""
