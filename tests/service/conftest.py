"""The demo, loaded once, and a browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service.running import Service, start_demo, wait_until_ready

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def demo(data_dir: Path) -> Iterator[Service]:
    """The sample company, served."""
    service = start_demo(data_dir / "demo")
    try:
        wait_until_ready(service)
        yield service
    finally:
        service.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; on a machine without it the tests are skipped, but never in CI.

    It ends with its module: while Playwright runs, its event loop is in the way of every other.
    """
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        assert not os.environ.get("CI"), "CI must have a browser"
        pytest.skip("NOT TESTED IN A BROWSER: there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
