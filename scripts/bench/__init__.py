"""What the benchmarks share: photos and weights made on the spot, peers, and the report; scripts/bench_*.py use it."""
