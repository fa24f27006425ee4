"""Benchmarks that asv runs over the history of the project: speed, and beside it whether the results are right."""
