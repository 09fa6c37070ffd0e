"""Tests of a published site in a browser: it plays by itself from a static host, also offline, and its engine draws
the symbols of the integer reference."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import playbach
from browser.conftest import HOST, Listener, serving
from playbach.bundles import bundle as bundles
from playbach.export import web
from playbach.export.c import music
from playbach.export.integer import IntegerSampling, Pcg32, compose
from playbach.server import page, publishing
from playbach.system.errors import PlaybachError, UsageError

pytestmark = pytest.mark.slow

MODELS = ("bach-chorales", "folk")
needs_page = pytest.mark.skipif(
    not page.page_files() or not web.is_built(),
    reason=f"the page or its engine has not been built ({page.BUILD_COMMAND}; {web.ENGINE_BUILD_COMMAND})",
)


class QuietHandler(SimpleHTTPRequestHandler):
    """A static host that knows nothing of playbach."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publishing.publish(MODELS, tmp_path_factory.mktemp("published") / "site").path


@pytest.fixture
def visit(chromium: Any, site: Path) -> Iterator[Callable[..., Any]]:
    """Opens pages of the site. Afterwards, none of them may have had an error or made a request to another host."""
    opened: list[Listener] = []
    with hosting(site) as address:

        def open_page(fragment: str = "", **context: Any) -> Listener:
            opened.append(Listener(chromium, address, fragment, context))
            return opened[-1]

        yield open_page
        for listener in opened:
            listener.context.close()
    assert [fault for listener in opened for fault in listener.faults] == []


@needs_page
def test_the_site_plays_without_a_server_and_without_gaps(visit: Callable[..., Any]) -> None:
    listener = visit()
    listener.play()
    assert listener.longest_silence(4) < 0.15
    assert "Piece 1, bar" in listener.page.inner_text("#position")
    listener.page.click("#next")
    listener.until(lambda: "Piece 2" in listener.page.inner_text("#position"), "the next piece")
    assert listener.page.is_hidden("#mp3-link") and listener.page.is_hidden("#stream-choice")


@needs_page
def test_the_controls_and_share_links_work_on_the_site(visit: Callable[..., Any]) -> None:
    listener = visit("#model=folk&seed=5")
    listener.play()
    listener.page.focus("#tempo")
    listener.page.keyboard.press("End")
    listener.until(lambda: "200" in listener.page.inner_text("#tempo-value"), "the tempo")
    listener.page.click("#share")
    link = listener.page.input_value("#link")
    assert "model=folk" in link and "seed=5" in link
    again = visit("#" + link.partition("#")[2])
    assert "Someone shared this piece with you" in again.status()
    again.play()


@needs_page
def test_the_site_plays_offline_after_a_visit(visit: Callable[..., Any]) -> None:
    listener = visit()
    listener.play()
    listener.until(lambda: listener.page.evaluate("!!navigator.serviceWorker.controller"), "the files to be kept")
    listener.context.set_offline(True)
    listener.page.reload()
    listener.page.wait_for_selector("#play:enabled")
    listener.play()
    listener.context.set_offline(False)


@needs_page
@pytest.mark.parametrize("name", MODELS)
def test_the_engine_in_the_browser_draws_the_references_symbols(visit: Callable[..., Any], name: str) -> None:
    steps, seed, sampling = 1000, 7, IntegerSampling()
    bundle = bundles.read(bundles.find(name))
    encoding, random = bundle.encoding(), Pcg32(seed)
    (info,) = [m for m in json.loads(publishing_site_json(visit))["models"] if m["name"] == name]
    drawn = visit().page.evaluate(ENGINE_STEPS, [info["engine"], seed, steps, len(encoding.fields)])
    random()
    beginning = list(music.commonest_beginnings(encoding))[drawn["header"]]
    header = next(h for h, _ in encoding.headers if music.beginning_of(encoding, h) == beginning)
    expected = compose(web.quantise(bundle), encoding.decoder(header), sampling, random)
    assert drawn["symbols"] == [int(symbol) for step, _ in islice(expected, steps) for symbol in step]


def publishing_site_json(visit: Callable[..., Any]) -> str:
    return str(visit().page.evaluate("fetch('site.json').then(response => response.text())"))


ENGINE_STEPS = """
async ([files, seed, steps, fields]) => {
  const bytes = async (body) => new Uint8Array(await new Response(body).arrayBuffer());
  const [code, packed] = await Promise.all([fetch(files.code), fetch(files.model)]);
  const model = await bytes(packed.body.pipeThrough(new DecompressionStream("gzip")));
  const { instance: { exports: e } } = await WebAssembly.instantiate(await bytes(code.body), {});
  const address = e.room(model.length);
  new Uint8Array(e.memory.buffer).set(model, address);
  if (!e.load(model.length)) throw new Error("damaged");
  e.seed(seed, 0);
  const header = e.draw_header();
  e.begin(header, 0);
  const symbols = [];
  for (let i = 0; i < steps; i++) {
    e.compose(256, 65536, 1);
    symbols.push(...new Uint16Array(e.memory.buffer, e.step_address(), fields));
  }
  return { header, symbols };
}
"""


@needs_page
def test_a_first_visit_is_small(site: Path) -> None:
    published = publishing.publish(["bach-chorales"], site.parent / "one")
    assert published.path.name == "one" and published.first_visit < 1_500_000
    assert (
        sum(
            (published.path / "engine" / name).stat().st_size
            for name in web.ENGINE_FILES.values()
            if (published.path / "engine" / name).exists()
        )
        < 150_000
    )
    again = publishing.publish(["bach-pocket"], site.parent / "one")
    assert again.path.name == "one-2"  # never overwritten


@needs_page
def test_a_model_that_the_engine_cannot_run_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use playbach serve for this model"):
        publishing.publish(["ensemble"], tmp_path / "site")
    with pytest.raises(PlaybachError, match="no-such-model"):
        publishing.publish(["no-such-model"], tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


@needs_page
def test_a_tune_is_harmonised_without_a_server(chromium: Any, site: Path, tmp_path: Path) -> None:
    with hosting(site) as address:
        context = chromium.new_context(accept_downloads=True)
        tab = context.new_page()
        tab.goto(f"{address}tune.html")
        tab.wait_for_selector("#harmonise:enabled")
        tab.focus("#staff")
        for key in "gabca":
            tab.keyboard.press(key)
        tab.click("#harmonise")
        tab.wait_for_selector("#setting:visible", timeout=60_000)
        assert "Setting 1" in tab.inner_text("#setting-status")
        assert tab.is_disabled("#duet") and tab.is_disabled("#save-pdf")
        with tab.expect_download() as download:
            tab.click("#save-midi")
        download.value.save_as(tmp_path / "setting.mid")
        context.close()
    score = playbach.read(tmp_path / "setting.mid")
    assert [track.name for track in score.tracks] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [(note.time, note.pitch) for note in score.tracks[0].notes] == [
        (0, 67), (480, 69), (960, 71), (1440, 72), (1920, 69),
    ]  # fmt: skip


@needs_page
def test_the_page_goes_on_by_itself_when_its_server_is_lost(chromium: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as port:
        listener = Listener(chromium, f"http://{HOST}:{port}/", "", {})
        listener.play()
        listener.until(lambda: len(listener.page.workers) > 0, "the engine")
        listener.page.wait_for_timeout(3000)
    listener.until(lambda: "your device composes now" in listener.status(), "the page to go on alone")
    listener.until(listener.sounds, "sound without the server")
    listener.context.close()
