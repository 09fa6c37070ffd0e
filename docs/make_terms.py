"""Write src/playbach/data/sources.json: the files of music21 in `folk` and `ensemble`, and their terms.

Needs music21. Each file is asked for its composer, its title and its terms; what it does not say is not invented.

python docs/make_terms.py            # write the file
python docs/make_terms.py --check    # exit with 1 if the file is not current
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree.ElementTree import Element

from playbach.data import conversions
from playbach.data.builtin import CORPORA
from playbach.data.file_pieces import COMPOSERS
from playbach.music.reading import musicxml

FILE = Path(__file__).parents[1] / "src" / "playbach" / "data" / "sources.json"
NAMES = ("folk", "ensemble")
BOOKS = {
    "oneills1850": "O'Neill's Music of Ireland",
    "ryansMammoth": "Ryan's Mammoth Collection",
    "airdsAirs": "Aird's Airs",
}
NO_TERMS = "no terms in the file; in music21 by permission"
TERMS = re.compile(r"copyright|©|public domain|\bP\.D\.|\bCC\b|creative commons|licen[cs]e|permission", re.IGNORECASE)
"""What a line about terms contains."""
NO_TITLE = re.compile(r".{0,2}|[\d ]*|score|bwv.*|harmonized.*|[^ ]*\.mxl|\d*all|.*_all", re.IGNORECASE)
"""Lines that are no title: page numbers, file names, numbers of catalogues."""
TRANSCRIBERS = {
    "bradley": "Ivan Bradley",
    "campin": "Jack Campin",
    "chambers": "John Chambers",
    "davies": "Ray Davies",
    "falt": "Chris Falt",
    "foy": "Stephen Foy",
    "grae": "Paul de Grae",
    "hastings": "Ted Hastings",
    "hogan": "Michael Hogan",
    "keays": "Tom Keays",
    "long,": "Michael D. Long",
    "mvhplank": "mvhplank",
    "norbeck": "Henrik Norbeck",
    "o'nei": "Trish O'Neil",
    "paap": "Norbert Paap",
    "petersen": "Dan G. Petersen",
    "puckette": "Bob Puckette",
    "safranek": "Bob Safranek",
    "terhorst": "Nick Terhorst",
    "thorpe": "Robert Thorpe",
    "walsh": "John B. Walsh",
    "wooldridge": "Dave Wooldridge",
    "worman": "A. Lee Worman",
}
"""Those whom the lines `Z:` of the ABC files name, by a word of these lines, which hold remarks too."""


def described(path: Path) -> tuple[str, str]:
    """The title and the terms of a file."""
    if path.suffix == ".abc":
        return "", _abc_terms(path)
    if path.suffix == ".krn":
        return _humdrum(path)
    root = musicxml.elements(path.read_bytes(), 64 << 20)
    return _title(root), _musicxml_terms(root)


def _musicxml_terms(root: Element) -> str:
    rights = [_plain("".join(element.itertext())) for element in root.iterfind("identification/rights")]
    found = [line for line in (*rights, *_credits(root)) if TERMS.search(line)]
    if found:
        return " / ".join(dict.fromkeys(found))
    source = _plain(root.findtext("identification/source", ""))
    return f"made from {source}; {NO_TERMS}" if source else NO_TERMS


def _title(root: Element) -> str:
    titles = (root.findtext(name, "") for name in ("movement-title", "work/work-title"))
    lines = map(_plain, (*titles, *_credits(root)))
    return next((line for line in lines if not NO_TITLE.fullmatch(line) and not TERMS.search(line)), "")


def _credits(root: Element) -> Iterator[str]:
    for credit in root.iterfind("credit"):
        yield _plain(" ".join(words.text or "" for words in credit.iterfind("credit-words")))


def _humdrum(path: Path) -> tuple[str, str]:
    records = dict(re.findall(r"^!!!([A-Z]+): *(.*)$", path.read_text("latin-1"), re.MULTILINE))
    rights = [records[key] for key in ("YEC", "YEM") if key in records]
    return records.get("OTL", ""), " / ".join(rights) or f"encoded by {records['ENC']}; {NO_TERMS}"


def _abc_terms(path: Path) -> str:
    lines = re.findall(r"^Z: *(.*)$", path.read_text("utf-8", "replace"), re.MULTILINE)
    words = " ".join(lines).lower()
    people = sorted({name for word, name in TRANSCRIBERS.items() if re.search(rf"\b{word}", words)})
    return f"transcribed by {', '.join(people)}; {NO_TERMS}" if people else NO_TERMS


def _plain(text: str) -> str:
    return " ".join(text.split())


def groups(paths: Iterable[Path]) -> list[dict[str, object]]:
    """The files with one composer and the same terms together, in order."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    root = conversions.music21_collection()
    for path in paths:
        below = path.relative_to(root)
        composer = {**COMPOSERS, **BOOKS}[below.parts[0]]
        title, terms = described(path)
        files = found.setdefault((composer, terms), {})
        files[below.as_posix()] = [title, hashlib.sha256(path.read_bytes()).hexdigest()]
    return [{"composer": composer, "terms": terms, "files": files} for (composer, terms), files in found.items()]


def text() -> str:
    made = {"music21": version("music21"), **{name: groups(CORPORA[name].paths()) for name in NAMES}}
    written = json.dumps(made, indent=0, ensure_ascii=False)
    return re.sub(r'\[\n("(?:[^"\\]|\\.)*"),\n("[0-9a-f]{64}")\n\]', r"[\1, \2]", written) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write src/playbach/data/sources.json.")
    parser.add_argument("--check", action="store_true", help="only check that the file is current")
    if not parser.parse_args().check:
        FILE.write_text(text(), "utf-8", newline="\n")
        return 0
    if FILE.exists() and FILE.read_text("utf-8") == text():
        return 0
    print("src/playbach/data/sources.json is not current: run python docs/make_terms.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
