"""Fixtures of the browser tests: one browser and one server a session, one page a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, sync_playwright

from .lab import CHROMIUM, LabServer, NotebookPage, launch, running_lab


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}; set MILEPOST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A Jupyter server with folders of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    with running_lab(home / "notebooks", home / "home") as server:
        yield server


@pytest.fixture
def nb(browser: Browser, lab: LabServer) -> Iterator[NotebookPage]:
    """A fresh page (no cookies of another test); `nb.open("name.ipynb")` comes next."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = NotebookPage(context.new_page(), lab)
    yield page
    context.close()
