"""What the package needs of the computer: errors, files, processes, bytes on disk."""
