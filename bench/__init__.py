"""Repeatable measurements. `make bench` prints their tables; docs/benchmarks.md keeps the results."""
