"""Pieces to learn from: folders and built-in corpora, their split, and encoded pieces on disk."""
