"""The music to train on: folders and built-in corpora, their split, and encoded pieces on disk."""
