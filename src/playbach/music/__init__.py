"""Music itself: events, bars, keys, instruments, tunes, and reading music files. Knows nothing of networks."""
