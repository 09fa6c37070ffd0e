"""What several tests share; `tests` is on the import path (pyproject.toml)."""
