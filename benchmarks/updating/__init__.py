"""What `benchmarks.updates` measures and proves: speed of changes, kills, long random runs."""
