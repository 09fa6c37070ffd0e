"""Evaluates networks: figures on held-out music, baselines, benchmarks, statistics of composed pieces."""
