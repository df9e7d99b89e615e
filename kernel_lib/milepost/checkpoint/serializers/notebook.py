"""Values of a notebook to one blob and back: sharing kept, functions and classes bound to the live notebook."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

from milepost.checkpoint.serializers.dumping import Dumping, in_words, panics
from milepost.checkpoint.serializers.fingerprint import code_fingerprint
from milepost.checkpoint.serializers.pickler import Scope
from milepost.checkpoint.serializers.rebuild import Notebook, Unpickler
from milepost.model.errors import SerializationError
from milepost.ports import Blob, Dump


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
            The task's inputs that it left as they were. Where a value is or holds that very object, or a part of
            it, the blob refers to it by name. An input that the task changed must be among `values` instead.

        Returns
        -------
        Dump
            Its buffers are the live memory of the values: store it before they change.
        """
        own = {id(item) for item in values.values() if isinstance(item, type | types.FunctionType)}
        scope = Scope(self._namespace, own, self._resolve, self._fingerprint)
        return Dumping(dict(values), shared or {}, scope).run()

    def load(self, blob: Blob, shared: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values by name; `shared(name)` gives the live input of that name."""
        notebook = Notebook(self._namespace, self._resolve, self._fingerprint, shared)
        try:
            with panics():
                values = Unpickler(blob.stream, blob.buffers, notebook).load()
        except SerializationError:
            raise
        except ModuleNotFoundError as error:
            raise SerializationError(f"the saved values need the module {error.name!r}, which is missing") from error
        except Exception as error:
            raise SerializationError(f"the saved values cannot be built again: {in_words(error)}") from error
        if not isinstance(values, dict):
            raise SerializationError(f"the saved values are a {type(values).__name__} instead of names with values")
        return values

    def _find(self, name: str) -> Any:
        first, *rest = name.split(".")
        found = self._namespace.get(first)
        for part in rest:
            found = getattr(found, part, None)
        return found
