"""What a piece borrows from others: an index of their fingerprints, the longest runs that a piece shares with it, and
how that compares with real music (the natural floor).

Knows scores and numbers of pieces; knows nothing of corpora.
"""
