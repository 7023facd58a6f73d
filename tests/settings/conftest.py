"""Fixtures of the tests of the settings."""

from tests.serving.warm_python import running_python as running_python
