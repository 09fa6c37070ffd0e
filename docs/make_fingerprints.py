"""Write bundles again with the index of their training pieces, which `playbach originality` and `compose` need.

Training writes it too; this is for bundles that were trained before, on a built-in corpus. Nothing else in them
changes.

python docs/make_fingerprints.py                  # the shipped models, in place
python docs/make_fingerprints.py NAME --into DIR  # one of them, or a file, into a folder
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

from playbach.bundles import bundle as bundles
from playbach.bundles.fingerprints import add_index, numbers_of_pieces
from playbach.data.corpora import load_builtin
from playbach.evaluation.originality import index_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="NAME", default=list(bundles.shipped_models()))
    parser.add_argument("--into", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    for name in arguments.models:
        path = bundles.find(name)
        write(path, (arguments.into or path.parent) / path.name)


def write(source: Path, target: Path) -> None:
    bundle = bundles.read(source)
    encoding = bundle.encoding()
    corpus = load_builtin(
        bundle.manifest["provenance"]["corpus"], encoding=encoding.name, reading=bundles.reading_options(bundle)
    )
    sides = {digest: entry[0] for digest, entry in bundles.known_pieces(bundle.manifest).items()}
    if sides != {piece.digest: side for side, piece in corpus.pieces()}:
        raise SystemExit(f"{source}: the corpus has other pieces than the model was trained on, or another split")
    data = index_of(corpus, encoding, numbers_of_pieces(bundle.manifest))
    path = add_index(bundle, data, target)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes, of which the index takes {len(zlib.compress(data)):,} ({len(data):,} unpacked)")


if __name__ == "__main__":
    main()
