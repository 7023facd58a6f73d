"""Report failures to Sentry."""
