"""Names, logs, errors and outputs that others chose are text in the page, and nothing of them runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook

pytestmark = pytest.mark.browser

IMG = "<img src=x onerror='window.hacked=1'>"
TEXTS = {
    "html": IMG + "<script>window.hacked=1</script></text></svg></style>",
    "link": "javascript:window.hacked=1",
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.hacked=1\x07link\x1b]8;;\x07",
    "turned": "a\u202egnp.exe\u2066",
    "long": "x" * 1_000_000,
    "emoji": "👩‍👩‍👧‍👦 🎉 ٣",
    "lines": "one\ntwo\r\u2028three\0",
    "css": "}</style>*{display:none}",
    "proto": "__proto__",
}

SETUP = f"""import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import json
from fake_session import Session, TaskState
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.view import TaskView
from milepost.notebook.sheet import cut
texts = json.loads({json.dumps(json.dumps(TEXTS))})
def sheet(view, text):
    row = {{"name": text, "kind": text[:40], "source": text, "text": text}}
    version = {{"saved_at": text[:40], "seconds": 1, "bytes": 1, "why": text, "trusted": False, "durable": True}}
    out = {{"name": text, "type": text, "text": text, "unsaved": text}}
    return {{"task": view.to_json(), "code": text, "inputs": [row], "outputs": [out], "shown": text,
            "traceback": text, "history": [version], "peak_bytes": 1, "can": ["run", "forget", text]}}
class Hostile(Session):
    def request(self, content):
        reply = super().request(content)
        view = next((view for view in self.tasks if view.name == content.get("task")), None)
        text = cut(content.get("task", ""))
        if content["action"] == "sheet" and view is not None:
            reply["sheet"] = sheet(view, text)
        if content["action"] == "log":
            reply["log"] = {{"run": 1, "start": 0, "text": text}}
        if content["action"] == "run":
            reply |= {{"execute": "%tasks run --order 1\\nprint('code that a page must not run')"}}
        if content["action"] == "forget":
            reply |= {{"status": "error", "message": text}}
        return reply
session = Hostile()
states = [TaskState.FAILURE, TaskState.SUCCESS]
session.tasks = [
    TaskView(name=text, state=states[n % 2], error=text if n % 2 == 0 else None, outputs=(text,), inputs=(text,),
             why=Reason(ReasonKind.FORCED, text, (text,)), progress=text, cell_id=text[:40], log=True,
             after=(list(texts.values())[n - 1],) if n else ())
    for n, text in enumerate(texts.values())]
session.widget.update(session.tasks, session.run())
session.install()"""

CELLS = [SETUP, "session.widget.show()", "print(session.actions)"]


@pytest.fixture
def out(nb: NotebookPage, lab: LabServer, request: pytest.FixtureRequest) -> Locator:
    """The output with the widget over hostile tasks."""
    name = f"hostile-{request.node.name.partition('[')[0]}.ipynb"
    notebook(lab.root / name, CELLS)
    nb.page.on("dialog", lambda dialog: pytest.fail(f"a dialog came: {dialog.message}"))
    nb.open(name).run_cell(0)
    shown = nb.run_cell(1)
    expect(shown.locator(".milepost-node").first).to_be_visible()
    return shown


def harmless(nb: NotebookPage, out: Locator) -> None:
    """Nothing ran, and there is nothing that could."""
    assert not nb.page.evaluate("() => window.hacked")
    assert out.locator(".milepost img, .milepost script, .milepost a, .milepost style, .milepost iframe").count() == 0
    assert not nb.page.evaluate(_HANDLERS)
    assert not nb.errors


_HANDLERS = """() => [...document.querySelectorAll('.milepost *')].some(
  element => [...element.attributes].some(({name}) => name.startsWith('on') || name === 'href' || name === 'src'))"""


def test_hostile_texts_are_shown_as_text(nb: NotebookPage, out: Locator, tmp_path: Path) -> None:
    nodes = out.locator(".milepost-node")
    expect(nodes).to_have_count(len(TEXTS))
    harmless(nb, out)
    expect(nodes.first).to_contain_text("<img src=x onerror=")
    panel = out.locator(".milepost-details").last
    for place, (what, text) in enumerate(TEXTS.items()):
        nodes.nth(place).focus()
        nb.page.keyboard.press("Enter")
        expect(panel.locator(".milepost-section[data-part='Code'] pre")).to_have_count(1)
        for part in panel.locator(".milepost-section").all():
            part.evaluate("part => { part.open = true; }")
        expect(panel.locator(".milepost-log")).to_be_visible()
        said = panel.evaluate("panel => panel.textContent")
        assert not {"\u202e", "\u2066", "\0", "\x1b", "\u2028"} & set(said), what
        if what in ("html", "link", "css", "emoji", "proto"):
            assert said.count(text) >= 6, what
        harmless(nb, out)
        nb.page.keyboard.press("Escape")
    nodes.first.focus()
    nb.page.keyboard.press("Enter")
    nb.screenshot(tmp_path / "hostile.png")
    out.get_by_role("searchbox").fill("<img")
    expect(out.locator(".milepost-match")).to_have_count(1)
    harmless(nb, out)


def test_a_page_runs_only_what_is_an_order(nb: NotebookPage, out: Locator) -> None:
    out.locator(".milepost-node").nth(1).focus()
    nb.page.keyboard.press("Enter")
    panel = out.locator(".milepost-details").last
    panel.get_by_role("button", name="Run again").click()
    panel.get_by_role("button", name="Forget").click()
    expect(out.locator(".milepost-news")).to_have_text("javascript:window.hacked=1")
    nb.run_cell(2)
    assert "'run'" in nb.text(2)
    assert "must not run" not in (panel.text_content() or "")
    harmless(nb, out)


def test_a_page_that_sends_anything_at_all(nb: NotebookPage, lab: LabServer) -> None:
    notebook(lab.root / "anything.ipynb", ["%load_ext milepost", "%tasks", "%%task one\nx = 1", "print(x)"])
    nb.open("anything.ipynb").run_all()
    replies = nb.page.evaluate(_ANYTHING)
    assert all(reply["status"] == "error" for reply in replies), replies
    assert all(len(reply["message"]) <= 1000 for reply in replies)
    nb.run_cell(3)
    assert nb.text(3) == "1"


_ANYTHING = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const ask = content => kernel.sendControlMessage({
    channel: 'control', buffers: [], metadata: {}, parent_header: {}, content,
    header: {msg_id: crypto.randomUUID(), msg_type: 'milepost_request', session: kernel.clientId, username: '',
             version: '5.4', date: new Date().toISOString()}
  }, true).done.then(reply => reply.content);
  const bad = [{}, {action: null}, {action: 'eval'}, {action: {}}, {action: 'sheet', task: ['one']},
    {action: 'sheet', task: 'two'}, {action: 'forget', task: 'y'.repeat(3000000)}, {action: 'run', force: 'one'},
    {action: 'run', task: 'one\\nimport os', needs: true}, {action: 'trust', task: 'one'}, {action: '__class__'}];
  const replies = [];
  for (const content of bad) { replies.push(await ask(content)); }
  return replies;
}"""
