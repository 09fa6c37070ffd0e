"""A trained network as one file, and the files that it is exported to: reading, writing and describing them."""
