"""The live widget without a page: coalescing, mimes, requests; and the front end's generated table."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import pytest

import milepost.widget
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.model import TaskWidget
from milepost.widget.run import RunView
from milepost.widget.sender import Sender

LABEXTENSION = Path(__file__).parents[2] / "labextension"


def test_many_wakes_one_send_and_the_last_state_wins() -> None:
    sent: list[int] = []
    state = [0]
    paused, go, idle = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def pause() -> None:
        paused.release()
        go.acquire()

    sender = Sender(lambda: sent.append(state[0]), pause)
    sender.wake()
    paused.acquire()  # the first was sent; the sender waits
    for value in range(1, 100):
        state[0] = value
        sender.wake()
    go.release()
    paused.acquire()
    assert sent == [0, 99]
    state[0] = 100
    sender.wake()
    sender.flush()  # while the sender waits
    assert sent == [0, 99, 100]
    go.release()
    idle.set()


def test_a_failing_send_does_not_end_the_sender() -> None:
    calls: list[None] = []

    def send() -> None:
        calls.append(None)
        raise OSError

    sender = Sender(send)
    sender.flush()
    sender.flush()
    assert len(calls) == 2


def test_news_and_the_whole() -> None:
    widget = TaskWidget()
    sent: list[dict[str, Any]] = []
    widget.send = lambda content: sent.append(content["news"])
    widget.update([TaskView(name="a"), TaskView(name="b", after=("a",))], RunView(running=True, totals="x"))
    widget.flush()
    graph = widget.graph
    assert [node["name"] for node in graph["nodes"]] == ["a", "b"]
    widget.update([TaskView(name="a", state=TaskState.RUNNING), TaskView(name="b", after=("a",))])
    widget.flush()
    widget.flush()
    assert widget.graph is graph, "laid out anew only where the structure is another one"
    assert [[task["name"] for task in news["changed"]] for news in sent] == [["a", "b"], ["a"]]
    assert [news["seq"] for news in sent] == [1, 2]
    widget.update([TaskView(name="b")])
    widget.flush()
    assert (sent[-1]["gone"], [task["name"] for task in sent[-1]["changed"]]) == (["a"], ["b"])
    whole = widget.get_state("whole")["whole"]
    assert (whole["seq"], [task["name"] for task in whole["tasks"]]) == (3, ["b"])


def test_a_page_that_opens_reads_what_is_so_by_then() -> None:
    views = [TaskView(name="a")]
    widget = TaskWidget(None, lambda: (views, RunView.of(views)))
    assert [node["name"] for node in widget.graph["nodes"]] == ["a"]
    views[0] = TaskView(name="a", state=TaskState.RUNNING)
    assert widget.get_state("whole")["whole"]["tasks"][0]["state"] == "running"


def test_mimes_beside_the_live_view(capsys: pytest.CaptureFixture[str]) -> None:
    widget = TaskWidget()
    widget.update([TaskView(name="a")])
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg")
    assert "<table>" in data["text/html"]
    assert "pending" in data["text/plain"]
    widget.show()  # no kernel: prints
    widget.freeze()
    assert "pending" in capsys.readouterr().out


def test_requests_from_a_page_without_a_control_channel() -> None:
    asked: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    def request(content: dict[str, Any]) -> dict[str, Any]:
        asked.append(content)
        return {"status": "ok"} if content["action"] == "pause" else {}["no"]

    widget = TaskWidget(request)
    widget.send = sent.append
    for content in ({"id": "1", "action": "pause", "junk": 1}, {"id": "2", "action": "cancel"}, "junk", {}):
        widget._on_message(widget, content, [])
    assert asked == [{"action": "pause"}, {"action": "cancel"}]
    assert sent[0] == {"id": "1", "reply": {"status": "ok"}}
    assert sent[1]["reply"]["status"] == "error"


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", LABEXTENSION / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_front_end_has_the_same_states() -> None:
    assert (LABEXTENSION / "src" / "states.ts").read_text("utf-8") == _generator().states_ts()


def test_the_front_end_knows_every_field() -> None:
    protocol = (LABEXTENSION / "src" / "protocol.ts").read_text("utf-8")
    for field in [*TaskView(name="a").to_json(), *RunView().to_json()]:
        assert f"  {field}: " in protocol or f"  {field}?: " in protocol


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_colours_are_readable_on_light_and_dark() -> None:
    generator = _generator()
    for style in [*generator.STYLES.values(), generator.RESTORED_STYLE, generator.SAVED_STYLE]:
        look = generator.look(style)
        for theme, ink, muted in (("light", "#1f2328", "#4a5056"), ("dark", "#f0f2f4", "#c4cad0")):
            fill, line = look[theme]["fill"], look[theme]["line"]
            assert min(_contrast(c, fill) for c in (ink, muted, line)) >= 4.5, (style.word, theme)


def test_the_widget_stays_small_enough_to_travel_with_each_model() -> None:
    built = Path(milepost.widget.__file__).parent / "static" / "widget.js"
    assert not built.exists() or built.stat().st_size < 100_000
