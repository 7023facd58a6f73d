"""The profiler's pages: the list of requests, the page of one request, and the comparison of two."""
