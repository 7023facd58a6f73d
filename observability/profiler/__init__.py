"""The profiler: show in the browser what a request did. For development only."""
