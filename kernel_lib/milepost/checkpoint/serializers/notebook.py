"""Values of a notebook to one blob and back: sharing kept, functions and classes bound to the live notebook."""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Mapping
from typing import Any

from milepost.checkpoint.serializers.arrays import shared_roots
from milepost.checkpoint.serializers.dilled import Dilled, shares_state
from milepost.checkpoint.serializers.fingerprint import code_fingerprint
from milepost.checkpoint.serializers.pickler import IN_BAND_BELOW, NotebookPickler, SharingPickler
from milepost.checkpoint.serializers.rebuild import Notebook, Unpickler
from milepost.checkpoint.serializers.refuse import RefusedError
from milepost.model.errors import SerializationError
from milepost.ports import Blob, Dump

_CONTAINERS = (list, dict, set, bytearray, tuple, frozenset)
_ATOMS = (int, float, complex, str, bytes, bool, type(None), types.ModuleType)


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
        inputs = {id(item): (name, item) for name, item in (shared or {}).items() if type(item) not in _ATOMS}
        try:
            return self._dump_all(values, inputs, {})
        except Exception:
            return self._dump_some(values, inputs)

    def load(self, blob: Blob, shared: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values by name; `shared(name)` gives the live input of that name."""
        notebook = Notebook(self._namespace, self._resolve, self._fingerprint, shared)
        try:
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

    def _dump_some(self, values: Mapping[str, Any], inputs: dict[int, tuple[str, Any]]) -> Dump:
        """As `dump`, once something has failed: find out what, and save the rest."""
        unsaved: dict[str, str] = {}
        saved: dict[str, Any] = {}
        for name, value in values.items():
            try:
                self._pickler(_Sink(), values, inputs, lambda buffer: False).dump(value)
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
        inputs: dict[int, tuple[str, Any]],
        unsaved: dict[str, str],
    ) -> Dump:
        """Dilled values keep no identity with others, so one that shares an object is left out."""
        dilled = {name: value for name, value in saved.items() if type(value) is Dilled}
        plain = {name: value for name, value in saved.items() if name not in dilled}
        if dilled:
            pickler = self._pickler(_Sink(), values, inputs, lambda buffer: False)
            pickler.dump(plain)
            others: dict[int, Any] = {**pickler.memo.copy(), **inputs}
            for name, value in dilled.items():
                if shares_state(value, others):
                    unsaved[name] = "it shares objects with other values, and only dill can save it, which copies them"
                    del saved[name]
                others.update(value.reached)
        return self._dump_all(saved, inputs, unsaved)

    def _dump_all(self, values: Mapping[str, Any], inputs: dict[int, tuple[str, Any]], unsaved: dict[str, str]) -> Dump:
        buffers: list[memoryview] = []
        file = io.BytesIO()

        def take(buffer: Any) -> bool:
            raw = buffer.raw()
            if raw.nbytes < IN_BAND_BELOW:
                return True
            buffers.append(raw)
            return False

        pickler = self._pickler(file, values, inputs, take)
        pickler.dump(dict(values))
        return Dump(Blob(file.getvalue(), tuple(buffers)), unsaved, tuple(sorted(pickler.used)))

    def _pickler(
        self,
        file: Any,
        values: Mapping[str, Any],
        inputs: dict[int, tuple[str, Any]],
        take: Callable[[Any], bool],
    ) -> NotebookPickler:
        plain = any(type(item) in _CONTAINERS for _, item in inputs.values())
        kind = SharingPickler if plain else NotebookPickler
        own = {id(item) for item in values.values() if isinstance(item, type | types.FunctionType)}
        roots = shared_roots([*values.values(), *(item for _, item in inputs.values())])
        return kind(file, self._namespace, own, self._resolve, self._fingerprint, inputs, roots, take)

    def _find(self, name: str) -> Any:
        first, *rest = name.split(".")
        found = self._namespace.get(first)
        for part in rest:
            found = getattr(found, part, None)
        return found


def _too_deep(error: Exception) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


def _words(error: Exception) -> str:
    if _too_deep(error):
        return "it is nested deeper than can be saved"
    return str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {error}"
