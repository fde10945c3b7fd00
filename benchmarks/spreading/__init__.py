"""What `benchmarks.cluster` measures, part by part."""
