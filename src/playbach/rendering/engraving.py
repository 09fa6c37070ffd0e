"""Engraves MusicXML as pages: verovio makes SVG, typst makes PDF and pixels of it (extra `score`).

Both work in a process of their own, with limits on time and memory: odd input can abort verovio. Both ends of the
pipe are in this module. The pages are the same on every machine: no fonts of the system are used, and the signs that
verovio sets as text become outlines.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import textwrap
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from playbach.rendering.headings import Heading
from playbach.system.errors import MissingExtra, PlaybachError, ScoreError
from playbach.system.processes import (
    START_METHOD,
    describe_exit,
    ignore_fork_warnings,
    limit_memory,
    release_inherited,
)

Kind = Literal["svg", "pdf", "png"]
_PACKAGES: dict[Kind, tuple[str, ...]] = {
    "svg": ("verovio",),
    "pdf": ("verovio", "typst"),
    "png": ("verovio", "typst"),
}
PIXELS_PER_INCH = 150
_PAGE_MM = (210, 297)
_SCALE = 40
"""Of verovio, in per cent: staves of 7 mm."""
_SECONDS = 60.0
_SECONDS_PER_MEGABYTE = 30.0
_MEMORY = 3 << 30
_OPTIONS = {
    "pageWidth": 10 * _PAGE_MM[0],
    "pageHeight": 10 * _PAGE_MM[1],
    "pageMarginLeft": 130,
    "pageMarginRight": 130,
    "pageMarginTop": 110,
    "pageMarginBottom": 90,
    "scale": _SCALE,
    "xmlIdSeed": 1,
    "breaks": "auto",
    "header": "encoded",
    "footer": "encoded",
    "mnumInterval": 0,
    "smuflTextFont": "none",
    "justifyVertically": False,
    "svgHtml5": False,
}
_SVG = "{http://www.w3.org/2000/svg}"
_TEXT_FONT = "Libertinus Serif, Times, Times New Roman, serif"
_FOOT_COLUMNS = 120
_MUSIC_FONT = "Leipzig"
_GAP = 60
"""After a sign of a metronome mark, in verovio's units: a staff is 720 high."""


def engrave(
    musicxml: bytes, kind: Kind, heading: Heading | None = None, *, seconds: float | None = None
) -> list[bytes]:
    """The pages of a MusicXML document: an SVG or PNG file for each, or one PDF file.

    The same document and heading give the same bytes.

    Args:
        seconds: how long it may take; None: in proportion to the document's length.

    Raises:
        MissingExtra: verovio or typst is not installed.
        ScoreError: verovio cannot engrave the document.
    """
    check_installed(kind)
    request = json.dumps([kind, _plain(heading or Heading()), musicxml.decode()]).encode()
    context: Any = multiprocessing.get_context(START_METHOD)  # Any: the type depends on the platform
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    try:
        with ignore_fork_warnings():
            process.start()
    except OSError as error:
        raise PlaybachError(f"cannot start a process to engrave ({error.strerror}); close other programs") from error
    finally:
        theirs.close()
    try:
        ours.send_bytes(request)
        return _receive(ours, seconds or _SECONDS + _SECONDS_PER_MEGABYTE * len(musicxml) / 1e6)
    except TimeoutError as error:
        raise ScoreError(f"engraving takes longer than {error}; engrave fewer bars, or write .musicxml") from None
    except (EOFError, OSError):
        process.join(1.0)
        raise ScoreError(
            f"verovio cannot engrave this score: it crashes ({describe_exit(process.exitcode)}); "
            "write .musicxml and open that in a notation program"
        ) from None
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def check_installed(kind: Kind) -> None:
    """Raise MissingExtra if a package for this kind of file is not installed."""
    for package in _PACKAGES[kind]:
        if find_spec(package) is None:
            raise MissingExtra("a score as a page", "score", package)


def _plain(heading: Heading) -> list[str]:
    return [heading.title, heading.foot, heading.comment]


def _receive(pipe: Connection, seconds: float) -> list[bytes]:
    """The pages: their number, then each of them; 0 pages and a line if there is something wrong."""
    if not pipe.poll(seconds):
        raise TimeoutError(f"{seconds:.0f} s")
    count = int(pipe.recv_bytes())
    if count == 0:
        raise ScoreError(pipe.recv_bytes().decode())
    return [pipe.recv_bytes() for _ in range(count)]


# ------------------------------------------------------------------------------------------- in the worker process


def _serve(pipe: Connection) -> None:
    try:
        release_inherited(pipe.fileno())
        limit_memory(_MEMORY)
        kind, heading, document = json.loads(pipe.recv_bytes())
        try:
            pages = _pages(document, kind, Heading(*heading))
        except Exception as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            pipe.send_bytes(b"0")
            pipe.send_bytes(f"verovio cannot engrave this score ({reason}); write .musicxml instead".encode())
        else:
            pipe.send_bytes(str(len(pages)).encode())
            for page in pages:
                pipe.send_bytes(page)
        os._exit(0)
    finally:
        os._exit(1)  # not `sys.exit`: the parent's exit handlers belong to the parent


def _pages(document: str, kind: Kind, heading: Heading) -> list[bytes]:
    svgs = _svg_pages(document, heading)
    if kind == "svg":
        return svgs
    typst: Any = import_module("typst")
    files = {f"page-{i}.svg": page for i, page in enumerate(svgs)}
    files["main.typ"] = _typst_source(len(svgs), heading).encode()
    if kind == "pdf":
        return [bytes(typst.compile(files, ignore_system_fonts=True))]
    pictures = typst.compile(files, ignore_system_fonts=True, format="png", ppi=PIXELS_PER_INCH)
    pictures = pictures if isinstance(pictures, list) else [pictures]
    return [_with_comment(bytes(picture), heading) for picture in pictures]


def _svg_pages(document: str, heading: Heading) -> list[bytes]:
    verovio: Any = import_module("verovio")
    verovio.enableLog(verovio.LOG_OFF)
    data = Path(verovio.__file__).parent / "data"
    verovio.setDefaultResourcePath(
        str(data)
    )  # which it keeps for each thread, and sets only in the one that imports it
    toolkit = verovio.toolkit()
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(document):
        raise ValueError("it does not read the MusicXML")
    mei = _with_heading(toolkit.getMEI({"removeIds": False}), heading)
    if not toolkit.loadData(mei) or not toolkit.getPageCount():
        raise ValueError("it makes no page")
    glyphs = _Glyphs(data / _MUSIC_FONT)
    return [
        _finished(toolkit.renderToSVG(number), heading, glyphs) for number in range(1, toolkit.getPageCount() + 1)
    ]


def _with_heading(mei: str, heading: Heading) -> str:
    """The MEI document with the title above its first page, and with how the piece was made at its foot."""
    namespace = "http://www.music-encoding.org/ns/mei"
    ElementTree.register_namespace("", namespace)
    root = ElementTree.fromstring(mei)
    definition = root.find(f".//{{{namespace}}}scoreDef")
    if definition is None:
        return mei
    for name in ("pgHead", "pgFoot"):
        for element in definition.findall(f"{{{namespace}}}{name}"):
            definition.remove(element)
    foot = textwrap.wrap(heading.foot, _FOOT_COLUMNS)
    for at, (name, page, lines, size, valign) in enumerate(
        (
            ("pgHead", "first", [heading.title] if heading.title else [], "170%", "top"),
            ("pgFoot", "first", foot, "70%", "bottom"),
        )
    ):
        element = ElementTree.Element(f"{{{namespace}}}{name}", func=page)
        rend = ElementTree.SubElement(element, f"{{{namespace}}}rend", halign="center", valign=valign, fontsize=size)
        last: ElementTree.Element | None = None
        for line in lines:
            if last is None:
                rend.text, last = line, rend
            else:
                last = ElementTree.SubElement(rend, f"{{{namespace}}}lb")
                last.tail = line
        definition.insert(at, element)
    return ElementTree.tostring(root, encoding="unicode")


def _finished(svg: str, heading: Heading, glyphs: _Glyphs) -> bytes:
    """The page with outlines instead of signs in the music font, a named font, and the comment."""
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    root.set("width", f"{_PAGE_MM[0]}mm")
    root.set("height", f"{_PAGE_MM[1]}mm")
    root.set("viewBox", f"0 0 {_PAGE_MM[0] * 10 * _SCALE // 100} {_PAGE_MM[1] * 10 * _SCALE // 100}")
    for described in root.iter(f"{_SVG}desc"):
        described.text = heading.comment or described.text
    for drawn in root.iter(f"{_SVG}svg"):
        if drawn.get("class") == "definition-scale":
            drawn.set("font-family", _TEXT_FONT)
    _draw_signs(root, glyphs)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _draw_signs(root: ElementTree.Element, glyphs: _Glyphs) -> None:
    """Replace a text's first signs in the music font, as in a metronome mark, by their outlines."""
    parents = {child: parent for parent in root.iter() for child in parent}
    for text in list(root.iter(f"{_SVG}text")):
        signs = [span for span in text.iter(f"{_SVG}tspan") if span.get("font-family") == _MUSIC_FONT and span.text]
        if not signs or text.get("x") is None:
            continue
        group, x, y = parents[text], float(text.get("x", "0")), float(text.get("y", "0"))
        for span in signs:
            size = float(span.get("font-size", "405px").removesuffix("px")) * 0.8
            for sign in span.text or "":
                path, advance = glyphs.outline(sign)
                scale = size / 1000
                place = f"translate({x:.0f},{y:.0f}) scale({scale:.4g},{-scale:.4g})"
                ElementTree.SubElement(group, f"{_SVG}path", d=path, transform=place)
                x += advance * scale + _GAP
            span.text = None
        words = " ".join("".join(text.itertext()).split())
        sizes = [span.get("font-size", "") for span in text.iter(f"{_SVG}tspan") if span not in signs]
        for child in list(text):
            text.remove(child)
        text.text = words
        text.set("x", f"{x + _GAP:.0f}")
        text.set("font-size", next(filter(None, sizes), "405px"))


class _Glyphs:
    """The outlines of verovio's music font."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        table = ElementTree.parse(folder.with_suffix(".xml")).getroot()
        self._advances = {g.get("c", ""): float(g.get("h-a-x", "0")) for g in table.iter("g")}

    def outline(self, sign: str) -> tuple[str, float]:
        """The path of a sign, upwards, in thousandths of its size, and its width."""
        code = f"{ord(sign):04X}"
        file = self._folder / f"{code}.xml"
        if not file.exists():
            return "", 0.0
        path = ElementTree.fromstring(file.read_text()).find(".//path")
        return ("" if path is None else path.get("d", "")), self._advances.get(code, 0.0)


def _typst_source(pages: int, heading: Heading) -> str:
    """A typst document of the pages, without a date, so that the same pages give the same bytes."""
    width, height = _PAGE_MM
    words = [f"title: {json.dumps(heading.title, ensure_ascii=False)}", "date: none"]
    if heading.comment:
        words.append(f"description: {json.dumps(heading.comment, ensure_ascii=False)}")
    lines = [f"#set page(width: {width}mm, height: {height}mm, margin: 0mm)", f"#set document({', '.join(words)})"]
    alt = json.dumps(heading.title or "a page of music", ensure_ascii=False)
    lines += [f'#image("/page-{i}.svg", width: {width}mm, alt: {alt})' for i in range(pages)]
    return "\n".join(lines)


def _with_comment(png: bytes, heading: Heading) -> bytes:
    from io import BytesIO

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if heading.title:
        info.add_itxt("Title", heading.title)
    if heading.comment:
        info.add_text("Comment", heading.comment)
    buffer = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()
