"""A trained network's step in other formats, each checked against torch before it is written."""
