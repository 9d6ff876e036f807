"""A headless browser on pages of this machine: its own Chromium, driven by Playwright.

Playwright's package brings no browser, and the one it would fetch lies in no registry; so the machine's is
used (`make browser` installs one).

Belongs here: finding, starting and stopping it. Does not belong here: any page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_VIEW = {"width": 1440, "height": 900}


def find_browser() -> str:
    """The browser that AGENTMART_TEST_BROWSER names, else the machine's own."""
    named = os.environ.get("AGENTMART_TEST_BROWSER")
    found = [path for name in ([named] if named else _NAMES) if (path := shutil.which(name))]
    assert found, (
        f"there is no {named or 'Chromium'} on this machine; run `make browser`, or name one in"
        " AGENTMART_TEST_BROWSER"
    )
    return found[0]


@contextmanager
def open_page(*, most_seconds: float) -> Iterator[Page]:
    """An empty page that waits so long for what is asked of it."""
    with sync_playwright() as playwright:
        # A container has no room for the sandbox, and the page is ours.
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            page = browser.new_page(viewport=_VIEW)  # type: ignore[arg-type]
            page.set_default_timeout(most_seconds * 1000)
            yield page
        finally:
            browser.close()
