"""Measurements: each script writes one JSON file into ``benchmarks/results``; README's tables are made from those."""
