"""What a network is worth: figures on held-out music, baselines, statistics of what it composes."""
