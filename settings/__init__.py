"""How the project is configured, assembled and served; the only place that reads the environment."""
