"""The parts of `benchmarks.scale_model`: a cost model, what it is fitted to, and a simulation."""
