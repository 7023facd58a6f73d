"""What things cost; `python -m benchmarks` lists them."""
