"""The profiler: what one request did, in the browser. For development only."""
