"""Settings, URLs and servers of the project. Only this package reads environment variables."""
