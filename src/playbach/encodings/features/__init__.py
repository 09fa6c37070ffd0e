"""What the network is told before each step: features, each with its two faces side by side (`base.py`), and those
that several encodings share."""
