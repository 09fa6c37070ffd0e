"""Training a network: options, the loop, checkpoints, several processes, and the bundle at the end."""
