"""The command line: one module for each command, imported only as far as the parser needs."""
