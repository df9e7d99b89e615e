"""The last resort, for a value that the C pickler refuses and dill can save."""

from __future__ import annotations

import io
import pickle
import types
from typing import Any

from milepost.checkpoint.serializers import rebuild
from milepost.checkpoint.serializers.refuse import RefusedError, refusal

_NO_STATE = (str, bytes, int, float, complex, bool, type(None), type, types.FunctionType, types.ModuleType)
_NO_STATE_EITHER = (types.BuiltinFunctionType, types.CodeType, tuple, frozenset)

MOST = 100_000
"""Objects of one value that dill is given: it takes some 10 µs for each, and would hold up the cell for minutes."""


class Dilled:
    """A value in dill's bytes, pickled as a call that loads them; `reached` is what it holds, by `id`."""

    def __init__(self, value: Any, namespace: dict[str, Any]) -> None:
        self._data, self.reached = _dump(value, namespace)
        rebuild.with_dill(self._data)

    def __reduce__(self) -> Any:
        return rebuild.with_dill, (self._data,)


def shares_state(dilled: Dilled, memo: dict[int, Any]) -> bool:
    """Whether a dilled value holds a mutable object that the other values hold too."""
    common = dilled.reached.keys() & memo.keys()
    return any(not isinstance(dilled.reached[key], _NO_STATE + _NO_STATE_EITHER) for key in common)


def _dump(value: Any, namespace: dict[str, Any]) -> tuple[bytes, dict[int, Any]]:
    import dill  # type: ignore[import-untyped]

    room = iter(range(MOST))

    class Strict(dill.Pickler):  # type: ignore[misc]
        """Keeps our refusals, and leaves what lives in the notebook to the notebook's own pickler."""

        def save(self, item: Any, save_persistent_id: bool = True) -> Any:
            if next(room, None) is None:
                raise RefusedError(f"it has more than {MOST:,} parts, too many for dill")
            if reason := refusal(type(item)) or _of_notebook(item, namespace):
                raise RefusedError(reason)
            return super().save(item, save_persistent_id)

    file = io.BytesIO()
    pickler = Strict(file, protocol=pickle.HIGHEST_PROTOCOL, recurse=False)
    pickler.dump(value)
    return file.getvalue(), {key: found[1] for key, found in dict(pickler.memo).items()}


def _of_notebook(item: Any, namespace: dict[str, Any]) -> str:
    if isinstance(item, types.FunctionType) and item.__globals__ is namespace:
        return "dill would copy the notebook's globals with a function"
    if isinstance(item, type) and item.__module__ == "__main__":
        return "dill would rewrite a class of the notebook"
    return ""
