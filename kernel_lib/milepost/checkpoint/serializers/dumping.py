"""From values to one blob: what cannot be saved is named and left out, what is shared is found and stays shared."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from milepost.checkpoint.serializers.depth import bounded_depth
from milepost.checkpoint.serializers.dilled import Dilled, shares_state
from milepost.checkpoint.serializers.links import Known, outermost, prefix, seed, spare
from milepost.checkpoint.serializers.memory import Shared
from milepost.checkpoint.serializers.parts import Link
from milepost.checkpoint.serializers.pickler import NotebookPickler, Scope
from milepost.checkpoint.serializers.refuse import RefusedError
from milepost.model.errors import SerializationError
from milepost.ports import Blob, Dump

IN_BAND_BELOW = 4096
"""Buffers smaller than this (bytes) stay in the stream."""

_SMALL_STEPS = 3


class Dumping:
    """One dump.

    Parameters
    ----------
    values : dict
        What is to be saved, by name.
    inputs : mapping
        What the values may refer to by name, as it will be live when they are loaded.
    scope : Scope
    """

    def __init__(self, values: dict[str, Any], inputs: Mapping[str, Any], scope: Scope) -> None:
        self._values = values
        self._inputs = inputs
        self._known = Known(inputs)
        self._scope = scope
        self._unsaved: dict[str, str] = {}

    def run(self) -> Dump:
        """The blob of all values that can be saved."""
        try:
            return self._all(self._values)
        except Exception:
            return self._some()

    def _all(self, values: dict[str, Any]) -> Dump:
        """Pickle; and where the pickler met memory that others have too, once more, with that connected."""
        blob, pickler, links = self._linked(values)
        memory, links = self._memory(pickler, links)
        if memory.torn:
            return self._all(self._whole(values, memory))
        if memory:
            blob, _ = self._pickle(values, links, memory)
        stand_ins = spare(links, self._inputs)
        return Dump(blob, self._unsaved, tuple(stand_ins), stand_ins)

    def _linked(self, values: dict[str, Any]) -> tuple[Blob, NotebookPickler, list[Link]]:
        """Pickle until nothing of the inputs is met any more that is not linked; most often once, else twice."""
        links: list[Link] = []
        for number in itertools.count():
            blob, pickler = self._pickle(values, links)
            more = self._known.met(pickler, values, links)
            if not more:
                break
            # Parts of what is linked are met no more, unless they are held apart, too: the next pass tells.
            links += outermost(more) if number < _SMALL_STEPS else more
        return blob, pickler, links

    def _some(self) -> Dump:
        """Once something has failed: find out what, and save the rest."""
        self._unsaved.clear()
        saved: dict[str, Any] = {}
        for name, value in self._values.items():
            try:
                # Some levels deeper than later, so that what passes here passes together with the others.
                self._try([[[[{name: value}]]]])
                saved[name] = value
            except Exception as error:
                saved.update(self._otherwise(name, value, error))
        try:
            return self._all(self._without_sharers(saved))
        except Exception as error:
            words = in_words(error)
            raise SerializationError(f"the values can be saved one by one, but not together: {words}") from error

    def _otherwise(self, name: str, value: Any, error: Exception) -> dict[str, Any]:
        """What stands for a value that failed, if dill can save it."""
        self._unsaved[name] = in_words(error)
        if isinstance(error, RefusedError) or _too_deep(error):
            return {}
        try:
            dilled = Dilled(value, self._scope.namespace)
        except Exception:
            return {}
        del self._unsaved[name]
        return {name: dilled}

    def _without_sharers(self, saved: dict[str, Any]) -> dict[str, Any]:
        """Dilled values keep no identity with others, so one that shares an object is left out."""
        dilled = {name: value for name, value in saved.items() if type(value) is Dilled}
        if not dilled:
            return saved
        plain = {name: value for name, value in saved.items() if name not in dilled}
        others: dict[int, Any] = {key: link.target for key, link in self._known.links.items()}
        others.update(self._try(plain).memo.copy())
        for name, value in dilled.items():
            if shares_state(value, others):
                reason = "it shares objects with other values, and only dill can save it, which copies them"
                self._unsaved[name] = reason
            others.update(value.reached)
        return {name: value for name, value in saved.items() if name not in self._unsaved}

    def _whole(self, values: dict[str, Any], memory: Shared) -> dict[str, Any]:
        """The values without those that would be torn from the memory of an input."""
        saved: dict[str, Any] = {}
        for name, value in values.items():
            try:
                self._try(value, memory)
                saved[name] = value
            except RefusedError as error:
                self._unsaved[name] = str(error)
        if len(saved) == len(values):
            raise SerializationError("what shares memory with an input cannot be told from what does not")
        return saved

    def _memory(self, pickler: NotebookPickler, links: list[Link]) -> tuple[Shared, list[Link]]:
        """What shares memory, and the links with those to inputs of whose memory the values hold a part."""
        live = self._known.memory if pickler.met else []
        memory = Shared(pickler.met, [link.target for link in live])
        more = memory.carriers.keys() - {id(link.target) for link in links}
        return memory, [*links, *(link for link in live if id(link.target) in more)]

    def _pickle(
        self, values: dict[str, Any], links: Sequence[Link] = (), memory: Shared | None = None
    ) -> tuple[Blob, NotebookPickler]:
        buffers: list[memoryview] = []

        def take(buffer: Any) -> bool:
            raw = buffer.raw()
            if raw.nbytes < IN_BAND_BELOW:
                return True
            buffers.append(raw)
            return False

        file = io.BytesIO()
        file.write(prefix(links))
        linked = {id(link.target) for link in links}
        pickler = NotebookPickler(file, self._scope, memory, linked, take)
        seed(pickler, links)
        with panics(), bounded_depth():
            pickler.dump(values)
        return Blob(file.getvalue(), tuple(buffers)), pickler

    def _try(self, value: Any, memory: Shared | None = None) -> NotebookPickler:
        """Pickle a value into nothing."""
        pickler = NotebookPickler(_Sink(), self._scope, memory, buffer_callback=lambda buffer: False)
        with panics(), bounded_depth():
            pickler.dump(value)
        return pickler


class _Sink:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


@contextmanager
def panics() -> Iterator[None]:
    """A panic in a library's Rust code is no `Exception`, but no more than a value that cannot be saved."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RefusedError(f"a library panicked: {error}") from error
        raise


def in_words(error: Exception) -> str:
    """Why a value could not be saved, or built again."""
    if _too_deep(error):
        return "it is nested deeper than can be saved"
    return str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {error}"


def _too_deep(error: Exception) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)
