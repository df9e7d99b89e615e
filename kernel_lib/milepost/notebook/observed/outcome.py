"""What a body touched as inputs of its task, and as files that it wrote; and whether all that still is so."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from milepost.analysis.code import digest_text
from milepost.analysis.modules import source_digest
from milepost.model.record import Input
from milepost.notebook.observed import content
from milepost.notebook.observed.content import ABSENT
from milepost.notebook.observed.environment import variable
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.watch import Touched, Watch

MANY = 200
"""Files from which on those of a folder are one input: ten thousand pictures must not make ten thousand entries."""

Seal = Callable[[str], str]
"""A digest of a text under the user's key: what an environment variable holds may be a secret."""


@dataclass(slots=True)
class Seen:
    """What came of a watch: inputs and written files, and why the result must not be saved, if it must not."""

    inputs: tuple[Input, ...] = ()
    obstacle: str = ""


class Outcome:
    """Settles one watch, once its body has ended."""

    def __init__(self, watch: Watch, places: Places, seal: Seal) -> None:
        self._watch = watch
        self._places = places
        self._seal = seal
        self._obstacle = watch.obstacle

    def seen(self) -> Seen:
        """All of it."""
        found = [*self._files(), *self._paths(), *self._folders(), *self._variables(), *self._facts()]
        known = {(item.kind, item.name): item for item in found}
        written = {item.name for item in found if item.kind in WRITTEN}
        inherited = {key: item for key, item in self._watch.inherited.items() if item.name not in written}
        return Seen(tuple(_folded({**inherited, **known}.values(), written)), self._obstacle)

    def _files(self) -> Iterator[Input]:
        for path, touched in self._watch.files.items():
            yield from self._written(path, touched) if touched.wrote else self._read(path, touched)

    def _read(self, path: str, touched: Touched) -> Iterator[Input]:
        name, now = self._places.packed(path), content.signature(path)
        if now == touched.found:
            text = content.in_words(now)
            yield Input(name=name, kind="file", digest=touched.digest or content.content(path, now), text=text)
        elif self._watch.untracked.keys() & {"program", "processes"}:
            yield from self._left(path, touched)
        else:
            self._obstacle = self._obstacle or f"{name!r}, which it read, changed while it ran"

    def _written(self, path: str, touched: Touched) -> Iterator[Input]:
        if touched.digest == "unknown":
            self._obstacle = self._obstacle or f"{self._places.packed(path)!r}, which it read, changed while it ran"
        now = content.signature(path)
        if touched.found is None and now is None:
            return  # made and taken away again
        if touched.read and touched.digest and touched.digest == content.content(path, now):
            yield Input(name=self._places.packed(path), kind="file", digest=touched.digest, text=content.in_words(now))
            return
        yield from self._left(path, touched)
        if touched.read and touched.found is not None:
            text = content.in_words(touched.found)
            yield Input(name=self._places.packed(path), kind="file", digest=touched.digest, text=text)

    def _left(self, path: str, touched: Touched) -> Iterator[Input]:
        name, now = self._places.packed(path), content.signature(path)
        if touched.appended and now is not None and not now.kind:
            yield Input(name=name, kind="appended", digest=content.appended(path), text=content.in_words(now))
        else:
            yield Input(name=name, kind="written", digest=content.content(path, now), text=content.in_words(now))

    def _paths(self) -> Iterator[Input]:
        for path, found in self._watch.looked_for.items():
            if path not in self._watch.files:
                yield Input(name=self._places.packed(path), kind="path", digest=found, text=found)
        if self._watch.cwd:
            cwd = self._places.packed(self._watch.cwd)
            yield Input(name="working folder", kind="cwd", digest=cwd, text=cwd)

    def _folders(self) -> Iterator[Input]:
        own = {path for path, touched in self._watch.files.items() if touched.wrote}
        for path, names in self._watch.folders.items():
            here = {os.path.basename(name) for name in own if os.path.dirname(name) == path}
            digest = content.digest_names(None if names is None else names - here)
            text = "no folder" if names is None else f"{len(names - here)} names"
            yield Input(name=self._places.packed(path), kind="folder", digest=digest, text=text)
        for (kind, pattern), paths in self._watch.patterns.items():
            names = frozenset(self._places.packed(path) for path in paths - own)
            name, text = self._places.packed(pattern), f"{len(names)} paths"
            yield Input(name=name, kind=kind, digest=content.digest_names(names), text=text)

    def _variables(self) -> Iterator[Input]:
        variables, whole = self._watch.variables, self._watch.whole_environment
        if whole and len(variables) >= 0.8 * len(os.environ):
            text = "it read the whole environment: what is set there is not tracked"
            yield Input(name="environment", kind="untracked", digest="", text=text)
            return
        for name, value in variables.items():
            text = "not set" if value is None else "set"
            yield Input(name=name, kind="environment", digest=sealed(name, value, self._seal), text=text)

    def _facts(self) -> Iterator[Input]:
        for name, text in self._watch.untracked.items():
            yield Input(name=name, kind="untracked", digest="", text=text)


WRITTEN = ("written", "appended")


def sealed(name: str, value: str | None, seal: Seal) -> str:
    """What stands for the value of an environment variable."""
    return ABSENT if value is None else seal(f"{name}\0{value}")


def _folded(inputs: Iterable[Input], written: set[str]) -> Iterator[Input]:
    """Where a body read very many files, those of a folder are one input."""
    files: dict[str, list[Input]] = defaultdict(list)
    for item in inputs:
        if item.kind == "file" and item.name not in written:
            files[os.path.dirname(item.name)].append(item)
        else:
            yield item
    for folder, found in files.items():
        if len(found) <= MANY:
            yield from found
        else:
            found.sort(key=lambda item: item.name)
            names = [os.path.basename(item.name) for item in found]
            digest = digest_text(*(item.digest for item in found))
            yield Input(name=folder, kind="files", digest=digest, text=json.dumps(names))


# looking again


@dataclass(slots=True)
class Now:
    """What is there now, each looked at once."""

    places: Places
    seal: Seal
    _contents: dict[str, str] = field(default_factory=dict)

    def differences(
        self, observed: Iterable[Input], *, again: bool, made: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        """What is not as a body found or left it, in words.

        A file that it changed is fine as it left it; where this session has run the task already, running it `again`
        begins with what it left. Files that were `made`, too, are not among what it found in folders.
        """
        observed = tuple(observed)
        written = frozenset(item.name for item in observed if item.kind in WRITTEN)
        for item in observed:
            if item.kind == "file" and item.name in written and not again:
                continue
            look = _LOOKS.get(item.kind)
            if look is not None and (words := look(self, item, written | made)):
                yield words

    def content(self, path: str) -> str:
        """The digest of a file."""
        if path not in self._contents:
            self._contents[path] = content.content(path)
        return self._contents[path]

    def file(self, item: Input, written: frozenset[str]) -> str:
        """A file that it read."""
        return _changed(f"{item.name!r}, which it read,", item.digest, self.content(self.places.unpacked(item.name)))

    def files(self, item: Input, written: frozenset[str]) -> str:
        """Very many files of a folder."""
        names = _names(item)
        paths = (self.places.unpacked(os.path.join(item.name, name)) for name in names)
        same = digest_text(*(self.content(path) for path in paths)) == item.digest
        return "" if same else f"of the {len(names):,} files in {item.name or '.'!r} that it read, not all are the same"

    def left(self, item: Input, written: frozenset[str]) -> str:
        """A file that it wrote."""
        return _changed(f"{item.name!r}, which it wrote,", item.digest, self.content(self.places.unpacked(item.name)))

    def appended(self, item: Input, written: frozenset[str]) -> str:
        """A file to which it appended; others may have since."""
        same = content.begins_as(self.places.unpacked(item.name), item.digest)
        return "" if same else f"what it appended to {item.name!r} is not there any more"

    def path(self, item: Input, written: frozenset[str]) -> str:
        """A path that it looked for."""
        now = content.at_path(self.places.unpacked(item.name))
        return _changed(f"{item.name!r}, which it looked for,", item.digest, now)

    def folder(self, item: Input, written: frozenset[str]) -> str:
        """A folder that it listed."""
        path = self.places.unpacked(item.name)
        own = {os.path.basename(name) for name in map(self.places.unpacked, written) if os.path.dirname(name) == path}
        names = content.listing(path)
        same = content.digest_names(None if names is None else names - own) == item.digest
        return "" if same else f"the folder {item.name!r}, which it listed, holds other names now"

    def pattern(self, item: Input, written: frozenset[str]) -> str:
        """A pattern of files that it looked for."""
        found = content.matches(self.places.unpacked(item.name), hidden=item.kind == "path glob")
        names = {self.places.packed(path) for path in found} - written
        same = content.digest_names(names) == item.digest
        return "" if same else f"{item.name!r}, which it looked for, matches other files now"

    def variable(self, item: Input, written: frozenset[str]) -> str:
        """An environment variable."""
        value = variable(item.name)
        if sealed(item.name, value, self.seal) == item.digest:
            return ""
        now = "not set any more" if value is None else "set now" if item.digest == ABSENT else "another one now"
        return f"the environment variable {item.name!r}, which it looked up, is {now}"

    def module(self, item: Input, written: frozenset[str]) -> str:
        """A module of the project that it loaded, or found by its name."""
        same = source_digest(item.name) == item.digest
        return "" if same else f"the module {item.name!r}, which it found by its name, says something else now"

    def cwd(self, item: Input, written: frozenset[str]) -> str:
        """The working folder, in which it used relative paths."""
        try:
            now = self.places.packed(os.getcwd())
        except OSError:
            now = ABSENT
        return "" if now == item.digest else f"it ran in the folder {item.digest!r}, this is {now!r}"


def _changed(what: str, then: str, now: str) -> str:
    if then == now:
        return ""
    if now == ABSENT:
        return f"{what} is not there any more"
    return f"{what} {'is there now' if then == ABSENT else 'is another one now'}"


def _names(item: Input) -> list[str]:
    try:
        found: Any = json.loads(item.text)
    except ValueError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


_LOOKS: Mapping[str, Callable[[Now, Input, frozenset[str]], str]] = {
    "environment": Now.variable,
    "cwd": Now.cwd,
    "loaded": Now.module,
    "path": Now.path,
    "folder": Now.folder,
    "glob": Now.pattern,
    "path glob": Now.pattern,
    "written": Now.left,
    "appended": Now.appended,
    "file": Now.file,
    "files": Now.files,
}
"""By the kind of an input; kinds that others look at are not here."""
