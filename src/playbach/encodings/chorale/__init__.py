"""The `chorale` encoding: four voices, one onset after another. `encoding.py` describes the steps."""

from playbach.encodings.chorale.encoding import ChoraleEncoding

__all__ = ["ChoraleEncoding"]
