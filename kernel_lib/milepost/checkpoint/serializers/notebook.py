"""Values of a notebook to one blob and back: sharing kept, functions and classes bound to the live notebook."""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from milepost.checkpoint.serializers.depth import bounded_depth
from milepost.checkpoint.serializers.dilled import Dilled, shares_state
from milepost.checkpoint.serializers.fingerprint import code_fingerprint
from milepost.checkpoint.serializers.links import held, linkable, prefix, seed
from milepost.checkpoint.serializers.memory import Shared, shares_memory
from milepost.checkpoint.serializers.parts import Link, walk
from milepost.checkpoint.serializers.pickler import IN_BAND_BELOW, NotebookPickler, Scope
from milepost.checkpoint.serializers.rebuild import Notebook, Unpickler
from milepost.checkpoint.serializers.refuse import RefusedError
from milepost.model.errors import SerializationError
from milepost.ports import Blob, Dump


class _Sink:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


class NotebookSerializer:
    """Saves what lives in a notebook.

    Parameters
    ----------
    namespace : dict
        The user's namespace, whose ``__name__`` is ``"__main__"``.
    resolve_class : callable, optional
        `resolve_class(name)` gives the live class or function of a qualified name, or None; else the namespace is
        searched.
    fingerprint : callable, optional
        Of a function's or class's code; a saved instance gets the live class while this is the same.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        resolve_class: Callable[[str], Any] | None = None,
        fingerprint: Callable[[Any], str] | None = None,
    ) -> None:
        self._namespace = namespace
        self._resolve = resolve_class or self._find
        self._fingerprint = fingerprint or code_fingerprint

    def dump(self, values: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> Dump:
        """One blob for all values that can be saved, in one pickle.

        Parameters
        ----------
        values : mapping
            What the task left behind, by name.
        shared : mapping, optional
            The task's inputs that it left as they were. Where a value is or holds that very object, the blob
            refers to it by name. An input that the task changed must be among `values` instead.

        Returns
        -------
        Dump
            Its buffers are the live memory of the values: store it before they change.
        """
        inputs = linkable(shared or {})
        try:
            return self._dump_all(values, inputs, {})
        except Exception:
            return self._dump_some(values, inputs)

    def load(self, blob: Blob, shared: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values by name; `shared(name)` gives the live input of that name."""
        notebook = Notebook(self._namespace, self._resolve, self._fingerprint, shared)
        try:
            with _panics():
                values = Unpickler(blob.stream, blob.buffers, notebook).load()
        except SerializationError:
            raise
        except ModuleNotFoundError as error:
            raise SerializationError(f"the saved values need the module {error.name!r}, which is missing") from error
        except Exception as error:
            raise SerializationError(f"the saved values cannot be built again: {_words(error)}") from error
        if not isinstance(values, dict):
            raise SerializationError(f"the saved values are a {type(values).__name__} instead of names with values")
        return values

    def _dump_some(self, values: Mapping[str, Any], inputs: Mapping[str, Any]) -> Dump:
        """As `dump`, once something has failed: find out what, and save the rest."""
        unsaved: dict[str, str] = {}
        saved: dict[str, Any] = {}
        for name, value in values.items():
            try:
                # Some levels deeper than later, so that what passes here passes together with the others.
                self._try(values, [[[[{name: value}]]]])
                saved[name] = value
            except Exception as error:
                self._dump_otherwise(name, value, error, saved, unsaved)
        try:
            return self._without_sharers(saved, values, inputs, unsaved)
        except Exception as error:
            raise SerializationError(
                f"the values can be saved one by one, but not together: {_words(error)}"
            ) from error

    def _dump_otherwise(
        self, name: str, value: Any, error: Exception, saved: dict[str, Any], unsaved: dict[str, str]
    ) -> None:
        unsaved[name] = _words(error)
        if isinstance(error, RefusedError) or _too_deep(error):
            return
        try:
            saved[name] = Dilled(value, self._namespace)
            del unsaved[name]
        except Exception:
            return

    def _without_sharers(
        self,
        saved: dict[str, Any],
        values: Mapping[str, Any],
        inputs: Mapping[str, Any],
        unsaved: dict[str, str],
    ) -> Dump:
        """Dilled values keep no identity with others, so one that shares an object is left out."""
        dilled = {name: value for name, value in saved.items() if type(value) is Dilled}
        plain = {name: value for name, value in saved.items() if name not in dilled}
        if dilled:
            parts = {id(link.target): link.target for link in walk(inputs)}
            others: dict[int, Any] = {**self._try(values, plain).memo.copy(), **parts}
            for name, value in dilled.items():
                if shares_state(value, others):
                    unsaved[name] = "it shares objects with other values, and only dill can save it, which copies them"
                    del saved[name]
                others.update(value.reached)
        return self._dump_all(saved, inputs, unsaved)

    def _dump_all(self, values: Mapping[str, Any], inputs: Mapping[str, Any], unsaved: dict[str, str]) -> Dump:
        """Pickle; and where the pickler met inputs or memory that others have too, once more, now linked."""
        values = dict(values)
        blob, pickler = self._pickle(values, (), None)
        links = held(inputs, pickler, values)
        memory, links = self._memory(pickler, inputs, links)
        if links or memory:
            blob, _ = self._pickle(values, links, memory)
        return Dump(blob, unsaved, tuple(sorted({link.name for link in links})))

    def _memory(
        self, pickler: NotebookPickler, inputs: Mapping[str, Any], links: list[Link]
    ) -> tuple[Shared, list[Link]]:
        """What shares memory, and the links with those to inputs of whose memory the values hold a part."""
        live = [link for link in walk(inputs) if shares_memory(type(link.target))] if pickler.met else []
        memory = Shared(pickler.met, [link.target for link in live])
        known = {id(link.target) for link in links}
        carriers = memory.carriers
        more = [link for link in live if id(link.target) in carriers and id(link.target) not in known]
        return memory, [*links, *more]

    def _pickle(
        self, values: dict[str, Any], links: Sequence[Link], memory: Shared | None
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
        pickler = NotebookPickler(file, self._scope(values), memory, linked, take)
        seed(pickler, links)
        with _panics(), bounded_depth():
            pickler.dump(values)
        return Blob(file.getvalue(), tuple(buffers)), pickler

    def _try(self, values: Mapping[str, Any], value: Any) -> NotebookPickler:
        """Pickle a value into nothing."""
        pickler = NotebookPickler(_Sink(), self._scope(values), buffer_callback=lambda buffer: False)
        with _panics(), bounded_depth():
            pickler.dump(value)
        return pickler

    def _scope(self, values: Mapping[str, Any]) -> Scope:
        own = {id(item) for item in values.values() if isinstance(item, type | types.FunctionType)}
        return Scope(self._namespace, own, self._resolve, self._fingerprint)

    def _find(self, name: str) -> Any:
        first, *rest = name.split(".")
        found = self._namespace.get(first)
        for part in rest:
            found = getattr(found, part, None)
        return found


@contextmanager
def _panics() -> Iterator[None]:
    """A panic in a library's Rust code is no `Exception`, but no more than a value that cannot be saved."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RefusedError(f"a library panicked: {error}") from error
        raise


def _too_deep(error: Exception) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


def _words(error: Exception) -> str:
    if _too_deep(error):
        return "it is nested deeper than can be saved"
    return str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {error}"
