"""The namespace of one body that runs beside the notebook, and the way of what it leaves into the notebook."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from typing import Any

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.notebook.rebind import Rebinder, holds_code

_OWN = re.compile(r"__.*__|_+|_i+\d*|_\d+|_dh|_ih|_oh|In|Out")
"""Names that Python and IPython bind."""


class Private:
    """Inputs as they were at one moment; the notebook's functions among them read and bind names here.

    Parameters
    ----------
    inputs : mapping
        The values by name, as the notebook has them.
    home : dict
        The notebook's namespace.
    tools : mapping
        What IPython gives every cell, such as `get_ipython`.
    """

    def __init__(self, inputs: Mapping[str, Any], home: dict[str, Any], tools: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._home = home
        self.data: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins, **tools}
        rebound = Rebinder(home, self.data)
        self._given = {name: rebound(value) for name, value in inputs.items()}
        self.data.update(self._given)
        self._before = dict(self.data)

    def bound(self) -> dict[str, Any]:
        """What the body bound, by name; a name that has the object it had is left out."""
        return {n: v for n, v in self.data.items() if not _OWN.fullmatch(n) and v is not self._before.get(n, _NOTHING)}

    def deleted(self) -> tuple[str, ...]:
        """Inputs that the body deleted."""
        return tuple(name for name in self._inputs if name not in self.data)

    def kept(self) -> dict[str, Any]:
        """Inputs that still have their names, as the notebook has them."""
        return {name: value for name, value in self._inputs.items() if self.data.get(name) is self._given[name]}

    def homeward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the body as the notebook shall have them: its functions see the notebook's variables from now on.

        Values that hold no function of the body stay the objects that they are. The others are built again, as from
        a checkpoint; those that cannot be keep their functions as they are.
        """
        names = holds_code(values, self.data)
        if not names:
            return dict(values)
        others = {name: value for name, value in values.items() if name not in names}
        copies = {name: self._given[name] for name in self.kept()}
        dump = NotebookSerializer(self.data).dump({name: values[name] for name in names}, {**copies, **others})
        originals = {**self._inputs, **others}
        return {**values, **NotebookSerializer(self._home).load(dump.blob, originals.__getitem__)}


_NOTHING = object()
