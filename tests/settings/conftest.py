"""What the tests of the settings share."""

from tests.serving.warm_python import running_python as running_python
