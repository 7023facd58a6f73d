"""Writing log files: the layers of logging.yaml, JSON lines, the access line, slow queries."""
