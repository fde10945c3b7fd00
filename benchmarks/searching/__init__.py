"""The search benchmark's parts: data, rivals, sweeps, clocks; ``benchmarks/search.py`` is the command."""
