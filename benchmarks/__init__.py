"""Benchmarks; `bin/bench` lists them."""
