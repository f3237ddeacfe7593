"""The demo, loaded once, and a browser."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service.running import Service, start_demo, stored_or_none, wait_until_ready

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
    """The sample company, served; the first two starts were killed, before and while they loaded it."""
    place = data_dir / "demo"
    kill_after_a_while(place)
    kill_while_rows_come_in(place)
    service = start_demo(place)
    try:
        wait_until_ready(service)
        yield service
    finally:
        code = service.end(signal.SIGTERM)
    assert code == 0


def kill_after_a_while(place: Path) -> None:
    """Kill a start that is somewhere in making its database."""
    broken = start_demo(place)
    time.sleep(1.5)
    broken.kill()


def kill_while_rows_come_in(place: Path) -> None:
    """Kill a start that has stored some rows, and not all."""
    broken = start_demo(place)
    while not stored_or_none(place):
        assert broken.process.poll() is None
        time.sleep(0.1)
    broken.kill()


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
