"""What writes the record: requests, commands, queries, transactions, outgoing requests, log records."""
