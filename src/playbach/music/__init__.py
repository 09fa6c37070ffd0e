"""Scores, events, bars, keys, instruments, tunes and performance; reading music files. Knows nothing of networks."""
