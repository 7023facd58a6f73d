"""The template filters of the profiler's pages."""
