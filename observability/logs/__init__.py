"""Write log files: layers of logging.yaml, JSON lines, access log, buffered records, slow queries, levels."""
