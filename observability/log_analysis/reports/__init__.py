"""The questions that are asked of log files most: each is a query, and how its answer looks in a terminal."""
