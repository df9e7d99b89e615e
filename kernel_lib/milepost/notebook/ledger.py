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
    """By name: what a task left (`known`), which tasks ever left it (`producers`), which plain cell bound it.

    `moments` tells when a name was bound last, by a clock that `tick` moves on: a task in the background counts from
    the moment at which its cell was run, however long it takes.
    """

    known: dict[str, Known] = field(default_factory=dict)
    producers: dict[str, list[str]] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)
    now: int = 0

    def tick(self) -> int:
        """The next moment."""
        self.now += 1
        return self.now

    def bound_after(self, name: str, moment: int) -> bool:
        """Whether anything bound a name after that moment."""
        return self.moments.get(name, 0) > moment

    def copy(self) -> Ledger:
        """The ledger as it is now."""
        producers = {name: list(tasks) for name, tasks in self.producers.items()}
        return Ledger(dict(self.known), producers, dict(self.origins), dict(self.moments), self.now)

    def produced(self, name: str, known: Known, moment: int | None = None) -> None:
        """A task bound or changed a name: now, or as of an earlier moment."""
        self.moments[name] = self.tick() if moment is None else moment
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
            self.moments[name] = self.tick()
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
