"""Publishing a page needs only the base install (the page itself is tested in tests/browser)."""

from __future__ import annotations

import subprocess
import sys


def test_publishing_imports_no_web_framework() -> None:
    code = "import sys, playbach.server.publishing; print('starlette' in sys.modules or 'uvicorn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
