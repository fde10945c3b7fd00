"""Examples: programs that run, small enough to read."""
