"""Errors, files, processes and versions: the package's interface to the computer."""
