"""Trains networks: options, the loop, checkpoints, several processes, and writing the bundle."""
