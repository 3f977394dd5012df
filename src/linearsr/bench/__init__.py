"""Benchmarks. Timings are for comparing within one run; machines are noisy."""
