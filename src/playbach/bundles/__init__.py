"""Reads, writes and describes bundles (a trained network in one file) and exported networks."""
