"""Takes screenshots of the radio's page.

They show it on a phone upright and on its side, a tablet and a desktop, in light and dark, stopped, playing, scrolled
to the controls, and with each dialog open.

Run `python tests/browser/screenshots.py FOLDER`. This is not a test, but needs the same packages and programs as the
tests in a browser. It starts a server of its own.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import sync_playwright

from conftest import FLAGS, HOST, Listener, serving

SIZES = {"phone": (360, 740, 2), "landscape": (740, 360, 2), "tablet": (768, 1024, 1), "desktop": (1440, 900, 1)}
PIECE = "#model=bach-chorales&seed=12&changes=0:1:temperature:1.1"
UNTIL = "bar 4 of"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as log, serving(Path(log) / "log") as port, sync_playwright() as driver:
        flags = [flag.replace("~", " ") for flag in FLAGS.split()]
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        for (device, (width, height, scale)), scheme in product(SIZES.items(), ("light", "dark")):
            size = {"width": width, "height": height}
            options = {"viewport": size, "color_scheme": scheme, "device_scale_factor": scale}
            address, path = f"http://{HOST}:{port}/", folder / f"{device}-{scheme}"
            stopped = Listener(browser, address, "", options)
            stopped.page.wait_for_timeout(600)
            stopped.page.screenshot(path=f"{path}-stopped.png")
            stopped.context.close()
            shoot(Listener(browser, address, PIECE, options), path)
        browser.close()


def shoot(listener: Listener, path: Path) -> None:
    listener.play()
    listener.until(lambda: UNTIL in listener.page.inner_text("#position"), "the fourth bar", 60)
    listener.page.wait_for_timeout(900)
    listener.page.screenshot(path=f"{path}.png")
    listener.page.screenshot(path=f"{path}-whole.png", full_page=True)
    listener.page.locator("#temperature").scroll_into_view_if_needed()
    listener.page.mouse.wheel(0, 300)
    listener.page.wait_for_timeout(400)
    listener.page.screenshot(path=f"{path}-controls.png")
    listener.page.evaluate("window.scrollTo(0, 0)")
    for button in ("explain", "share"):
        listener.page.click(f"#{button}")
        listener.page.wait_for_timeout(400)
        listener.page.screenshot(path=f"{path}-{button}.png")
        listener.page.keyboard.press("Escape")
    listener.context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
