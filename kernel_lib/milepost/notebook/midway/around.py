"""What a loop found around it: it can go on only where all of that is as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from milepost.model.record import Input, Record
from milepost.notebook.ambient.ambient import Ambient, Snapshot
from milepost.notebook.capture import current_recorder, replay
from milepost.notebook.midway.variables import Refused
from milepost.notebook.observed.observer import Observer, told
from milepost.notebook.observed.outcome import WRITTEN
from milepost.notebook.observed.telling import current
from milepost.notebook.random_state import Seeds, read_states, state_digests
from milepost.notebook.recorder import Output, outputs_from_bytes
from milepost.notebook.stage import Plan

READ = frozenset({"file", "files", "folder", "glob", "path", "path glob", "cwd", "environment", "loaded"})
"""Kinds of what a task found; what it wrote, the loop may have gone on writing after it was saved."""


class Desk(Protocol):
    """What this needs of the session."""

    seeds: Seeds
    ambient: Ambient
    observer: Observer
    shell: Any


@dataclass(frozen=True, slots=True)
class Around:
    """As a loop found it."""

    random: Mapping[str, Any]
    told: Mapping[str, str]
    """What the states of the generators say."""
    ambient: Snapshot
    shown: list[Output]
    made: Mapping[str, str]
    """What the code before it made of the state of the process, where that is no input of tasks; sealed."""
    written: Mapping[str, str]
    """Files that the code before it wrote, and what they held then."""

    @classmethod
    def now(cls, desk: Desk, plan: Plan, found: Snapshot) -> Around:
        """All of it at this moment; the body `found` the state of the process so."""
        states, recorder = read_states(), current_recorder()
        shown = outputs_from_bytes(recorder.to_bytes()) if recorder is not None else []
        told, ambient = desk.seeds.meaning(states, plan.definition.code), desk.ambient.read()
        made = {label: desk.observer.seal(content) for label, content in desk.ambient.made(found, ambient).items()}
        return cls(states, told, ambient, shown, made, written_by_now(desk))

    def drawn(self) -> tuple[str, ...]:
        """The libraries whose generators have moved since."""
        now, then = state_digests(read_states()), state_digests(self.random)
        return tuple(name for name in now if now[name] != then.get(name))

    def differs(self, desk: Desk, then: Record, *, files: bool) -> str:
        """What is not as it was when the loop began, in words; files and the like only where they shall count."""
        for library, state in then.extra["random"].items():
            if self.told.get(library, state) != state:
                return f"the random generator of {library!r} is in another state than when it began"
        made = then.extra["made"]
        for label in sorted({*made, *self.made}):
            if made.get(label) != self.made.get(label):
                return f"the code before it made another {label} than then"
        for name in then.extra["written"]:
            if name in self.written or not desk.observer.is_there(name):
                return f"{name!r} is written anew, or gone, and the loop had written to it"
        read = [item for item in then.observed if item.kind in READ and files]
        own = frozenset(item.name for item in then.observed if item.kind in WRITTEN).union(self.written)
        return desk.ambient.mismatch(then, self.ambient) or told(desk.observer.differences(read, made=own))

    def shared(self, desk: Desk, now: Snapshot) -> dict[str, Any]:
        """Objects of modules that its variables may hold, too."""
        return desk.ambient.shared(self.ambient, now)

    def changed(self, desk: Desk, plan: Plan, now: Snapshot) -> dict[str, Any]:
        """What the loop changed of the state of the process; raises `Refused`."""
        changes, obstacle = desk.ambient.changes(self.ambient, plan.definition.code, now)
        if obstacle:
            raise Refused(obstacle)
        return changes

    def written_since(self, desk: Desk) -> dict[str, str]:
        """The files that the loop has written, or changed."""
        now = written_by_now(desk).items()
        return {name: held for name, held in now if self.written.get(name) != held and desk.observer.is_there(name)}

    def observed(self, desk: Desk) -> tuple[Input, ...]:
        """What the task has been seen to touch so far; raises `Refused`."""
        watch, state = current(), desk.ambient.input(self.ambient, quiet=False)
        seen = desk.observer.so_far(watch) if watch is not None else None
        if seen is not None and seen.obstacle:
            raise Refused(seen.obstacle)
        return (state, *(seen.inputs if seen is not None else ()))

    def show_again(self, desk: Desk, then: list[Output]) -> None:
        """Show what the loop had shown."""
        recorder = current_recorder()
        if recorder is None:
            return
        rest = _rest(self.shown, then)
        if rest is None:
            desk.shell.display_pub.clear_output(wait=True)
        replay(desk.shell, then if rest is None else rest)


def written_by_now(desk: Desk) -> dict[str, str]:
    """The files that the task has written, and what they hold."""
    watch = current()
    seen = desk.observer.so_far(watch).inputs if watch is not None else ()
    return {item.name: item.digest for item in seen if item.kind in WRITTEN}


def shown_now() -> bytes:
    """What the task has shown so far."""
    recorder = current_recorder()
    return recorder.to_bytes() if recorder is not None else b"[]"


def _rest(before: list[Output], then: list[Output]) -> list[Output] | None:
    """What came after the first outputs; None where these are not there any more."""
    same = next((n for n, (old, new) in enumerate(zip(before, then, strict=False)) if old != new), len(before))
    if same >= len(before):
        return then[len(before) :]
    if same < len(before) - 1 or same >= len(then):
        return None
    old, new = before[same], then[same]
    streams = old["output_type"] == new["output_type"] == "stream" and old["name"] == new["name"]
    if not streams or not new["text"].startswith(old["text"]):
        return None
    return [{**new, "text": new["text"][len(old["text"]) :]}, *then[same + 1 :]]
