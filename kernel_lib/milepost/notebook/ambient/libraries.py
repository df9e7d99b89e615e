"""Options that libraries keep for a whole process. None is loaded to read them."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from milepost.notebook.ambient.aspect import Aspect, Change, State, same


class NumpyPrinting(Aspect):
    """How NumPy shows arrays."""

    name = "NumPy print option"
    module = "numpy"
    shows = True
    _plain: Mapping[str, Any] = {
        "edgeitems": 3,
        "threshold": 1000,
        "floatmode": "maxprec",
        "precision": 8,
        "suppress": False,
        "linewidth": 75,
        "nanstr": "nan",
        "infstr": "inf",
        "sign": "-",
        "formatter": None,
        "legacy": False,
        "override_repr": None,
    }

    def read(self) -> State:
        """Those that are not NumPy's own."""
        options = sys.modules["numpy"].get_printoptions()
        return {name: value for name, value in options.items() if not same(value, self._plain.get(name))}

    def default(self, entry: str) -> Any:
        """NumPy's own."""
        return self._plain.get(entry)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set them."""
        sys.modules["numpy"].set_printoptions(**values, **{name: self._plain.get(name) for name in unset})


class NumpyErrors(Aspect):
    """What NumPy does about overflows and the like."""

    name = "NumPy's errstate"
    module = "numpy"
    _plain: Mapping[str, str] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}

    def read(self) -> State:
        """What is not NumPy's own."""
        return {name: what for name, what in sys.modules["numpy"].geterr().items() if what != self._plain[name]}

    def default(self, entry: str) -> Any:
        """NumPy's own."""
        return self._plain.get(entry)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set it."""
        sys.modules["numpy"].seterr(**values, **{name: self._plain[name] for name in unset})


class PandasOptions(Aspect):
    """`pandas.options`. Asking for each takes pandas ten microseconds, so its tables are read; else nothing is."""

    name = "pandas option"
    module = "pandas"

    def __init__(self) -> None:
        self._count = 0
        self._leaves: list[tuple[Mapping[str, Any], str, str, Any]] = []

    def _places(self) -> list[tuple[Mapping[str, Any], str, str, Any]]:
        """Where each option is: the table, its name there, its full name, its default."""
        config = sys.modules["pandas._config.config"]
        registered: Mapping[str, Any] = config._registered_options
        if len(registered) != self._count:
            self._leaves = [_leaf(config._global_config, name, item.defval) for name, item in registered.items()]
            self._count = len(registered)
        return self._leaves

    def read(self) -> State:
        """Those that are not pandas' own."""
        return {
            full: table[name]
            for table, name, full, plain in self._places()
            if table[name] is not plain and not same(table[name], plain)  # the call is what costs
        }

    def default(self, entry: str) -> Any:
        """Pandas' own."""
        return next((plain for _, _, full, plain in self._places() if full == entry), None) if self.loaded else None

    def quiet(self, entry: str) -> bool:
        """Options of the display matter to nothing else."""
        return not entry.startswith(("display.", "styler.", "plotting."))

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set them."""
        pandas = sys.modules["pandas"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, value in values.items():
                pandas.set_option(name, value)
            for name in unset:
                pandas.reset_option(name)


def _leaf(table: Any, full: str, plain: Any) -> tuple[Mapping[str, Any], str, str, Any]:
    *path, name = full.split(".")
    for part in path:
        table = table[part]
    return table, name, full, plain


class MatplotlibOptions(Aspect):
    """`rcParams`, which styles and seaborn's themes set too, as far as they differ from the user's configuration.

    Which backend draws is none of them: loading pyplot settles that. What the inline backend sets is its own.
    """

    name = "matplotlib option"
    module = "matplotlib"
    shows = True

    def read(self) -> State:
        """Those that are not as they were when matplotlib was loaded."""
        matplotlib = sys.modules["matplotlib"]
        plain = dict(dict.items(matplotlib.rcParamsOrig))
        plain.update(self._inline())
        get = plain.get
        others = {name: value for name, value in dict.items(matplotlib.rcParams) if value is not get(name)}
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in others.items()
            if name not in _BACKEND and not same(value, get(name))
        }

    def _inline(self) -> Mapping[str, Any]:
        config = sys.modules.get("matplotlib_inline.config")
        if config is None or not config.InlineBackend.initialized() or "matplotlib.pyplot" not in sys.modules:
            return {}
        found: Mapping[str, Any] = config.InlineBackend.instance().rc
        return found

    def default(self, entry: str) -> Any:
        """As it was when matplotlib was loaded."""
        return dict.get(sys.modules["matplotlib"].rcParamsOrig, entry) if self.loaded else None

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = {name: self._inline().get(name, self.default(name)) for name in unset}
            sys.modules["matplotlib"].rcParams.update({**values, **plain})


_BACKEND = frozenset({"backend", "backend_fallback", "interactive"})

_ASKED = "asked for"


class MatplotlibBackend(Aspect):
    """Which backend draws, or was asked for by `matplotlib.use`: with it comes how figures are shown in a notebook."""

    name = "the matplotlib backend"
    counts = False
    module = "matplotlib"

    def read(self) -> State:
        """The one that draws, or will draw once something does."""
        matplotlib = sys.modules["matplotlib"]
        found = dict.get(matplotlib.rcParams, "backend")
        if not isinstance(found, str):
            return {}
        if getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None) is not None:
            return {"": found}
        by_itself = os.environ.get("MPLBACKEND") or dict.get(matplotlib.rcParamsOrig, "backend")
        return {} if found == by_itself else {_ASKED: found}

    def restore(self, change: Change) -> None:
        """Have it draw; where nothing has loaded matplotlib, it finds a backend by itself once something does."""
        values = change["values"]
        if _ASKED in values:
            import matplotlib

            matplotlib.use(values[_ASKED])
        elif self.loaded and values and self.read() != values:
            import matplotlib.pyplot

            matplotlib.pyplot.switch_backend(values[""])


class OpenFigures(Aspect):
    """Figures that stay open between cells, as they do where the inline backend does not close them.

    No restore could give back what pyplot holds, so a task that opens, closes or asks for one runs each time.
    """

    name = "open figures"
    counts = False
    module = "matplotlib.pyplot"

    def __init__(self) -> None:
        self._asked = 0

    def read(self) -> State:
        """The figures, and how often the current one was asked for."""
        if self._closing():
            return {}
        keeper = sys.modules["matplotlib._pylab_helpers"].Gcf
        self._listen(keeper)
        figures = {str(number): manager.canvas.figure for number, manager in keeper.figs.items()}
        return {**figures, "": self._asked} if figures else {}

    @staticmethod
    def _closing() -> bool:
        """Whether no figure outlives its cell."""
        backend = dict.get(sys.modules["matplotlib"].rcParams, "backend")
        config = sys.modules.get("matplotlib_inline.config")
        inline = isinstance(backend, str) and "inline" in backend and config is not None
        return inline and bool(config.InlineBackend.instance().close_figures)  # type: ignore[union-attr]

    def _listen(self, keeper: Any) -> None:
        """Whatever uses the current figure asks here for it."""
        ask = keeper.get_active
        if getattr(ask, "milepost_aspect", None) is not self:

            def counted() -> Any:
                self._asked += 1
                return ask()

            counted.milepost_aspect = self  # type: ignore[attr-defined]
            keeper.get_active = staticmethod(counted)

    def obstacle(self, change: Change, code: str) -> str:
        """Always one."""
        return "it used figures that stay open between cells, and no restore could give back those"

    def write(self, values: State, unset: Sequence[str]) -> None:
        """They stay as they are."""


class PolarsOptions(Aspect):
    """`polars.Config`."""

    name = "polars option"
    module = "polars"
    shows = True
    _plain: Mapping[str, Any] = {
        "set_fmt_float": "mixed",
        "set_float_precision": None,
        "set_thousands_separator": "",
        "set_decimal_separator": ".",
        "set_trim_decimal_zeros": False,
    }

    def read(self) -> State:
        """Those that are not polars' own."""
        options = sys.modules["polars"].Config.state(if_set=True)
        return {n: v for n, v in options.items() if v is not None and not (n in self._plain and v == self._plain[n])}

    def default(self, entry: str) -> Any:
        """Polars' own."""
        return self._plain.get(entry)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set them."""
        options = {**values, **{name: self._plain.get(name) for name in unset}}
        direct = {name: value for name, value in options.items() if not name.startswith("POLARS_")}
        others = {name: value for name, value in options.items() if name not in direct and value is not None}
        for name in options.keys() - direct.keys() - others.keys():
            os.environ.pop(name, None)
        sys.modules["polars"].Config.load(json.dumps({"environment": others, "direct": direct}))


class TorchState(Aspect):
    """The default type of numbers, whether gradients are kept, and how exact torch is."""

    name = "torch's"
    module = "torch"
    _plain: Mapping[str, Any] = {
        "default dtype": "float32",
        "grad mode": True,
        "deterministic algorithms": False,
        "float32 matmul precision": "highest",
    }

    def read(self) -> State:
        """What is not torch's own."""
        torch = sys.modules["torch"]
        now = {
            "default dtype": str(torch.get_default_dtype()).removeprefix("torch."),
            "grad mode": torch.is_grad_enabled(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "float32 matmul precision": torch.get_float32_matmul_precision(),
        }
        return {name: value for name, value in now.items() if value != self._plain[name]}

    def default(self, entry: str) -> Any:
        """Torch's own."""
        return self._plain.get(entry)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set it."""
        torch = sys.modules["torch"]
        put = {
            "default dtype": lambda name: torch.set_default_dtype(getattr(torch, name)),
            "grad mode": torch.set_grad_enabled,
            "deterministic algorithms": torch.use_deterministic_algorithms,
            "float32 matmul precision": torch.set_float32_matmul_precision,
        }
        for name in (*values, *unset):
            put[name](values.get(name, self._plain[name]))


class ShellOptions(Aspect):
    """Traits of IPython's parts that decide what is shown: `%precision`, `%config InlineBackend.figure_format`."""

    name = "IPython option"
    shows = True

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def read(self) -> State:
        """Those that are not IPython's own, by part and trait."""
        found = {}
        for part, thing in self._parts().items():
            values = thing._trait_values
            for trait in _TRAITS[part]:
                if trait in values and not same(values[trait], thing.traits()[trait].default(thing)):
                    found[f"{part}.{trait}"] = values[trait]
        return {**self._pending(), **found}

    def _pending(self) -> State:
        """What `%config` has set for the inline backend before that is loaded."""
        config = sys.modules.get("matplotlib_inline.config")
        if config is not None and config.InlineBackend.initialized():
            return {}
        options = dict(self._shell.config.get("InlineBackend", {}))
        if not options:
            return {}
        from matplotlib_inline.config import InlineBackend

        if "figure_format" in options:
            options.setdefault("figure_formats", {options["figure_format"]})
        plain = {name: InlineBackend.class_traits()[name].default() for name in _TRAITS["InlineBackend"]}
        return {f"InlineBackend.{n}": options[n] for n in plain if n in options and not same(options[n], plain[n])}

    def _parts(self) -> dict[str, Any]:
        parts = {"InteractiveShell": self._shell}
        formatter = getattr(getattr(self._shell, "display_formatter", None), "formatters", {}).get("text/plain")
        if formatter is not None:
            parts["PlainTextFormatter"] = formatter
        config = sys.modules.get("matplotlib_inline.config")
        if config is not None and config.InlineBackend.initialized():
            parts["InlineBackend"] = config.InlineBackend.instance()
        return {name: part for name, part in parts.items() if hasattr(part, "traits")}

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set them."""
        for entry in (*values, *unset):
            name, trait = entry.split(".")
            part = self._parts().get(name) or self._inline()
            setattr(part, trait, values[entry] if entry in values else part.traits()[trait].default(part))

    def _inline(self) -> Any:
        from matplotlib_inline.config import InlineBackend

        return InlineBackend.instance(parent=self._shell)


_TRAITS = {
    "InteractiveShell": ("ast_node_interactivity",),
    "PlainTextFormatter": ("float_precision", "pprint", "max_width", "max_seq_length"),
    "InlineBackend": ("figure_formats", "print_figure_kwargs", "close_figures"),
}


def library_aspects(shell: Any) -> Iterator[Aspect]:
    """All of this file."""
    yield NumpyPrinting()
    yield NumpyErrors()
    yield PandasOptions()
    yield MatplotlibOptions()
    yield MatplotlibBackend()
    yield OpenFigures()
    yield PolarsOptions()
    yield TorchState()
    yield ShellOptions(shell)
