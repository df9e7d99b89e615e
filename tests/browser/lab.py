"""A real JupyterLab (or Notebook 7) in a real Chromium: a server of its own, and the gestures of a person."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SERVER_EXTENSION = Path(__file__).parents[2] / "labextension" / "server.json"
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium that talks to nobody but the server."""
    return playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)


def launch_with_cache(playwright: Playwright, profile: Path) -> BrowserContext:
    """One that compiles JupyterLab's scripts once, not for each page: its pages (`opened`) share nothing else."""
    return playwright.chromium.launch_persistent_context(
        profile, executable_path=find_browser(), args=FLAGS, viewport={"width": 1280, "height": 1000}
    )


def find_browser() -> str:
    """The browser to drive: `MILEPOST_CHROMIUM`, else one that is installed."""
    found = os.environ.get("MILEPOST_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None or not Path(found).exists():
        raise RuntimeError(f"no browser at {found or ' or '.join(BROWSERS)}: install one, or set MILEPOST_CHROMIUM")
    return found


def notebook(path: Path, cells: Sequence[str]) -> Path:
    """Write a notebook of code cells (ids `cell-0`, `cell-1`…); one that starts with `#md ` is Markdown."""
    path.write_text(
        json.dumps(
            {
                "cells": [_cell(i, c) for i, c in enumerate(cells)],
                "metadata": {
                    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                    "language_info": {"name": "python"},
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    return path


def _cell(index: int, source: str) -> dict[str, Any]:
    base: dict[str, Any] = {"id": f"cell-{index}", "metadata": {}}
    if source.startswith("#md "):
        return {**base, "cell_type": "markdown", "source": source[4:]}
    return {**base, "cell_type": "code", "source": source, "outputs": [], "execution_count": None}


@contextlib.contextmanager
def opened(browser: BrowserContext, server: LabServer) -> Iterator[NotebookPage]:
    """A page without cookies and stored items of those before it, closed in the end with all that it opened."""
    page = browser.new_page()
    browser.new_cdp_session(page).send(
        "Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "cookies,local_storage,indexeddb"}
    )
    try:
        yield NotebookPage(page, server)
    finally:
        for other in browser.pages[1:]:
            other.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class LabServer:
    """A running Jupyter server: its notebooks' folder, its state's folder, its address and token."""

    root: Path
    home: Path
    port: int
    token: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What the server printed so far."""
        return (self.home / "server.log").read_text(errors="replace")

    def url(self, path: str, app: str = "lab") -> str:
        """The address that opens a notebook: `app` is `lab` (a fresh workspace) or `notebook`."""
        where = f"lab/workspaces/w{secrets.token_hex(4)}/tree/{path}" if app == "lab" else f"notebooks/{path}"
        return f"http://127.0.0.1:{self.port}/{where}?token={self.token}"

    def get(self, path: str, content: Any = None) -> Any:
        """GET a JSON address of the server's REST interface, as `api/kernels`; with content, POST it there."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def stop(self) -> None:
        """End the server and the kernels it started."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_lab(
    root: Path,
    home: Path,
    *,
    env: dict[str, str] | None = None,
    options: Sequence[str] = (),
    again: LabServer | None = None,
) -> LabServer:
    """Start a server, on a free port or as one before; `home` takes its config, data and runtime folders."""
    port, token = (again.port, again.token) if again else (_free_port(), secrets.token_hex(16))
    folders = {name: home / name for name in _FOLDERS}
    for folder in (root, *folders.values()):
        folder.mkdir(parents=True, exist_ok=True)
    switched_on = folders["config"] / "jupyter_server_config.d" / "milepost.json"
    switched_on.parent.mkdir(exist_ok=True)
    shutil.copyfile(SERVER_EXTENSION, switched_on)  # an editable installation does not bring it
    settings = folders["config"] / "lab" / "user-settings"
    for plugin, values in OVERRIDES.items():
        package, _, name = plugin.partition(":")
        (settings / package).mkdir(parents=True, exist_ok=True)
        (settings / package / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--port-retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        f"--LabApp.user_settings_dir={settings}",
        f"--LabApp.workspaces_dir={folders['workspaces']}",
        *options,
    ]
    log = (home / "server.log").open("wb")
    with log:
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **isolated(home), **(env or {})},
        )
    server = LabServer(root, home, port, token, process)
    _wait_for(server)
    return server


_FOLDERS = ("config", "runtime", "data", "ipython", "workspaces")


def isolated(home: Path) -> dict[str, str]:
    """The environment in which Jupyter uses nothing of this machine's user."""
    return {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def _wait_for(server: LabServer, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(OSError):
            server.get("api/status")
            return
        time.sleep(0.2)
    server.stop()
    raise RuntimeError(f"the Jupyter server did not start:\n{server.log[-4000:]}")


@contextlib.contextmanager
def running_lab(root: Path, home: Path, **how: Any) -> Iterator[LabServer]:
    """`start_lab` as a context manager."""
    server = start_lab(root, home, **how)
    try:
        yield server
    finally:
        server.stop()


_NOT_OURS = (
    "Canceled future for create_subshell_request",  # a kernel restarts while JupyterLab asks for the subshell of a comm
    "Cannot read properties of undefined (reading 'schema')",  # Notebook 7, at its start
    "Command 'filebrowser:open-path' not registered",  # Notebook 7, at its start
)
"""Errors that Jupyter itself has without us."""


class NotebookPage:
    """One open notebook, with the gestures that a person has."""

    def __init__(self, page: Page, server: LabServer) -> None:
        """Wrap a page; `open` comes next."""
        self.page, self.server = page, server
        self.errors: list[str] = []
        page.on("pageerror", self._note)

    def _note(self, error: object) -> None:
        if not any(known in str(error) for known in _NOT_OURS):
            self.errors.append(str(error))

    @property
    def panel(self) -> Locator:
        """The visible notebook panel."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @property
    def cells(self) -> Locator:
        """All cells, in order."""
        return self.panel.locator(".jp-Cell")

    def open(self, path: str, app: str = "lab") -> NotebookPage:
        """Open a notebook and wait for its kernel."""
        self.page.goto(self.server.url(path, app))
        return self.ready()

    def reload(self) -> NotebookPage:
        """Reload the page, as F5 does."""
        self.page.reload()
        return self.ready()

    def ready(self, timeout: float = 60) -> NotebookPage:
        """Wait until the notebook is shown and its kernel is idle."""
        self.cells.first.wait_for(timeout=timeout * 1000)
        self.idle(timeout)
        return self

    def idle(self, timeout: float = 60) -> None:
        """Wait until the kernel is idle and no cell is queued or running."""
        self.page.wait_for_function(_IDLE, timeout=timeout * 1000)

    def command(self, command: str, *, wait: bool = True, **args: Any) -> None:
        """Run an application command by its id; with `wait`, until its promise resolves (a run: until it ended)."""
        script = "([c, a, w]) => { const done = window.jupyterapp.commands.execute(c, a); return w ? done : null }"
        self.page.evaluate(f"async (args) => {{ await ({script})(args); }}", [command, args, wait])

    def menu(self, *labels: str) -> None:
        """Click through the menu bar: `menu("Kernel", "Restart Kernel…")`."""
        bar, *items = labels
        self.page.locator(".lm-MenuBar-itemLabel", has_text=bar).first.click()
        for label in items:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(label, exact=True).last.click()

    def confirm(self) -> None:
        """Accept the dialog that is open."""
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()

    def restart(self) -> None:
        """Restart the kernel from the menu, and wait for it."""
        self.menu("Kernel", "Restart Kernel…")
        self.confirm()
        self.page.locator(".jp-Dialog").wait_for(state="detached")
        self.idle()

    def select(self, index: int) -> Locator:
        """Make a cell the active one."""
        cell = self.cells.nth(index)
        cell.scroll_into_view_if_needed()
        cell.locator(".jp-InputPrompt, .jp-InputArea-prompt").first.click()
        return cell

    def run_cell(self, index: int, *, wait: bool = True, timeout: float = 60) -> Locator:
        """Run one cell; with `wait`, until it ended."""
        cell = self.select(index)
        self.command("notebook:run-cell", wait=wait)
        if wait:
            self.idle(timeout)
        return cell

    def run_all(self, *, wait: bool = True, timeout: float = 120) -> None:
        """Run all cells; with `wait`, until all ended."""
        self.command("notebook:run-all-cells", wait=wait)
        if wait:
            self.idle(timeout)

    def edit(self, index: int, source: str) -> None:
        """Replace a cell's source by typing into its editor."""
        editor = self.cells.nth(index).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Escape")

    def insert_below(self, index: int, source: str) -> None:
        """Insert a code cell below another and write its source."""
        self.select(index)
        self.command("notebook:insert-cell-below")
        self.edit(index + 1, source)

    def outputs(self, index: int) -> Locator:
        """The output areas of a cell."""
        return self.cells.nth(index).locator(".jp-OutputArea-output")

    def text(self, index: int) -> str:
        """What a cell's outputs say."""
        return "\n".join(self.outputs(index).all_inner_texts()).strip()

    def badge(self, index: int) -> Locator:
        """The Milepost badge of a cell."""
        return self.cells.nth(index).locator(".milepost-badge")

    def save(self) -> dict[str, Any]:
        """Save, and return the notebook's JSON as it is on disk (sources joined)."""
        save = "async ({ context }) => { await context.save(); return context.path; }"
        path = self.page.evaluate(f"() => ({save})(window.jupyterapp.shell.currentWidget)")
        data: dict[str, Any] = json.loads((self.server.root / path).read_text())
        for cell in data["cells"]:
            cell["source"] = "".join(cell["source"])
        return data

    def theme(self, name: str) -> None:
        """Switch the theme: `light` or `dark`."""
        self.command("apputils:change-theme", theme=THEMES[name])
        value = "true" if name == "light" else "false"
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", value)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def screenshot(self, path: Path) -> Path:
        """A picture of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path


_IDLE = """() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  const session = widget?.sessionContext;
  const settled = widget?.context?.isReady && widget.content.notebookConfig?.windowingMode === 'none';
  const running = [...document.querySelectorAll('.jp-InputArea-prompt')].some(p => p.textContent.includes('[*]'));
  return settled && session?.isReady && session.session?.kernel?.status === 'idle' && !running;
}"""


def seconds_until(nb: NotebookPage, selector: str, text: str, button: Locator) -> float:
    """Click, and measure in the page itself how long it takes until an element says something."""
    nb.page.evaluate(_WATCH, [selector, text])
    button.click()
    return float(nb.page.evaluate("() => window.milepostWatch")) / 1000


_WATCH = """([selector, text]) => {
  window.milepostWatch = new Promise((done, fail) => {
    const heard = what => document.querySelector(what)?.textContent ?? 'nothing';
    const words = () => `${selector} never said ${text}, but ${heard(selector)} (${heard('.milepost-news')})`;
    setTimeout(() => { fail(new Error(words())); }, 20000);
    let start = null;
    addEventListener('click', () => { start = performance.now(); }, {capture: true, once: true});
    const look = () => {
      const said = document.querySelector(selector)?.textContent.includes(text);
      if (start !== null && said) { done(performance.now() - start); } else { setTimeout(look, 2); }
    };
    look();
  });
}"""
