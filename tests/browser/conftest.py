"""Fixtures of the browser tests: one browser and one server a session, one page a test.

Nothing here skips: without a browser the tests fail. Where Playwright is not installed and the run leaves the browser
tests out (`-m "not browser"`), they are not even read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from .lab import LabServer, NotebookPage


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these files unread where they neither could run nor are meant to."""
    left_out = "not browser" in (config.getoption("markexpr") or "")
    return True if left_out and importlib.util.find_spec("playwright") is None else None


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    from .lab import launch_with_cache

    with sync_playwright() as playwright:
        browser = launch_with_cache(playwright, tmp_path_factory.mktemp("profile"))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A Jupyter server with folders of its own."""
    from .lab import running_lab

    home = tmp_path_factory.mktemp("jupyter")
    with running_lab(home / "notebooks", home / "home") as server:
        yield server


@pytest.fixture
def nb(browser: BrowserContext, lab: LabServer) -> Iterator[NotebookPage]:
    """A fresh page (no cookies of another test); `nb.open("name.ipynb")` comes next."""
    from .lab import opened

    with opened(browser, lab) as page:
        yield page
