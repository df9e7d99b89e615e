"""What the session knows of where the values in the namespace came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from milepost.analysis.code import digest_text
from milepost.model.record import Record


@dataclass(frozen=True, slots=True)
class Known:
    """A name that a task left behind: the task, the digest that counts, and the record it can be built from."""

    task: str
    digest: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The plain cell that bound a name: a digest of its code, and the names it read."""

    code: str
    reads: tuple[str, ...]


@dataclass(slots=True)
class Ledger:
    """By name: what a task left (`known`), which tasks ever left it (`producers`), which plain cell bound it."""

    known: dict[str, Known] = field(default_factory=dict)
    producers: dict[str, list[str]] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def produced(self, name: str, known: Known) -> None:
        """A task bound or changed a name."""
        self.known[name] = known
        self.origins.pop(name, None)
        tasks = self.producers.setdefault(name, [])
        if known.task in tasks:
            tasks.remove(known.task)
        tasks.append(known.task)

    def bound(self, names: tuple[str, ...], code: str, reads: tuple[str, ...]) -> None:
        """A plain cell bound names."""
        origin = Origin(digest_text(code), reads)
        for name in names:
            self.known.pop(name, None)
            self.producers.pop(name, None)
            self.origins[name] = origin

    def producer(self, name: str, reader: str) -> str:
        """The task whose output a reader would get under this name; never the reader itself."""
        return next((task for task in reversed(self.producers.get(name, [])) if task != reader), "")

    def forget(self, task: str) -> None:
        """A task is gone; the values it left stay in the namespace as plain ones."""
        self.known = {name: known for name, known in self.known.items() if known.task != task}
        for tasks in self.producers.values():
            if task in tasks:
                tasks.remove(task)


def lineage(key: str, name: str) -> str:
    """What stands for an output without content: who made it, under which key."""
    return "lineage:" + digest_text(key, name)
