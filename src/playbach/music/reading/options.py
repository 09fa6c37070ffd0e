"""The options of reading music files, for the modules of this package."""

from playbach.music.options import ReadingOptions

__all__ = ["ReadingOptions"]
