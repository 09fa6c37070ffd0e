"""Errors, files, processes and versions: what the package needs of the computer."""
