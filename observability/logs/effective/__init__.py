"""The logging of this process as it is, whoever configured it: where a record of a logger arrives, and why."""
