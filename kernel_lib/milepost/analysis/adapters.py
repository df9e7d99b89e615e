"""Content of values of NumPy, pandas, Arrow and torch; matplotlib has none. Nothing is imported for it."""

from __future__ import annotations

import functools
import struct
import sys
from typing import Any, Protocol

from milepost.model.by_class import ByClass


class NoContent(Exception):
    """A value, or a part of it, has no content that could be digested.

    `consumable` marks what a reader changes by using it (a generator, an open file, a figure): no reading of the code
    tells whether it still is what it was.
    """

    def __init__(self, reason: str, *, consumable: bool = False) -> None:
        super().__init__(reason)
        self.consumable = consumable


class Feed(Protocol):
    """What an adapter may do with a walk."""

    def tag(self, *words: object) -> None: ...
    def data(self, data: Any) -> None: ...
    def packed(self, data: bytes) -> None: ...
    def value(self, value: object) -> None: ...
    def passing(self, items: list[Any]) -> None: ...


def feed(walk: Feed, value: Any) -> bool:
    """Feed a value that one of the adapters knows; whether one did."""
    kind = type(value)
    honest = getattr(value, "__class__", kind) is kind
    chosen = _for_class(kind) if honest else _loaded()
    return any(adapter(walk, value, sys.modules[name]) for name, adapter in chosen)


@ByClass
def _for_class(kind: type) -> list[tuple[str, Any]]:
    """The adapters that may know an instance: those of libraries that one of its classes is from."""
    libraries = {base.__module__.partition(".")[0] for base in kind.__mro__}
    return [adapter for adapter in _loaded() if adapter[0] in libraries]


def _loaded() -> list[tuple[str, Any]]:
    return [adapter for adapter in _ADAPTERS if adapter[0] in sys.modules]


def _numpy(walk: Feed, value: Any, np: Any) -> bool:
    if type(value) is np.ndarray and value.dtype.kind in _PLAIN and value.nbytes <= _SMALL:
        header = _header(value.flags.writeable, value.dtype.str, value.shape, _columns_first(value, np), value.nbytes)
        walk.packed(header + value.tobytes())
        return True
    if isinstance(value, np.ndarray):
        walk.tag("ndarray", type(value).__qualname__, value.flags.writeable)
        _masked(walk, value, np) if isinstance(value, np.ma.MaskedArray) else _array(walk, value, np)
        return True
    if isinstance(value, np.generic):
        walk.tag("scalar", value.dtype.str)
        _array(walk, np.asarray(value), np)
        return True
    if isinstance(value, np.random.RandomState) and value is np.random.mtrand._rand:
        walk.tag("numpy.random")
        return True
    return False


_PLAIN, _SMALL = "biufcSUMm", 1 << 14
"""Kinds and bytes of arrays that are fed at once: models hold tens of thousands of them."""


@functools.lru_cache(maxsize=10_000)
def _header(writeable: bool, dtype: str, shape: tuple[int, ...], columns_first: bool, nbytes: int) -> bytes:
    """What comes before the bytes of such an array: the same as for any other."""
    words = ("ndarray", "ndarray", writeable, dtype, shape, *(("columns first",) if columns_first else ()))
    return pack(*words) + length(nbytes)


def pack(*words: object) -> bytes:
    """Words, each with its length."""
    texts = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogatepass") for word in words]
    return b"".join([length(len(text)) + text for text in texts])


pack_again = functools.lru_cache(maxsize=20_000, typed=True)(pack)
"""The same for short words that come again and again; no floats among them: 0.0 and -0.0 would be one."""


length = struct.Struct("<q").pack
"""A length, as it is fed."""


def _array(walk: Feed, array: Any, np: Any) -> None:
    walk.tag(array.dtype.str, array.shape)
    if _columns_first(array, np):
        walk.tag("columns first")
    if array.dtype.names:  # field by field: padding between fields is not content
        for name in array.dtype.names:
            walk.tag(name)
            _array(walk, np.asarray(array[name]), np)
    elif array.dtype.hasobject:
        walk.passing(np.asarray(array).ravel().tolist())
    else:
        walk.data(np.ascontiguousarray(np.asarray(array)).reshape(-1).view(np.uint8))
    if type(array) is not np.ndarray and getattr(array, "__dict__", None):
        walk.value(sorted((name, repr(item)) for name, item in vars(array).items()))


def _columns_first(array: Any, np: Any) -> bool:
    """Whether it lies that way in memory, or would without its gaps: that is how it is saved."""
    flags = array.flags
    if array.ndim < 2 or flags.c_contiguous:
        return False
    return bool(flags.f_contiguous or np.empty_like(np.asarray(array)).flags.f_contiguous)


def _masked(walk: Feed, array: Any, np: Any) -> None:
    """What lies under the mask is not content."""
    mask = np.ma.getmaskarray(array)
    plain = np.array(np.ma.getdata(array))
    plain[mask] = np.zeros((), plain.dtype)
    _array(walk, mask, np)
    _array(walk, plain, np)
    walk.value(array.fill_value)


def _pandas(walk: Feed, value: Any, pd: Any) -> bool:
    if isinstance(value, pd.DataFrame):
        walk.tag("frame", type(value).__qualname__)
        walk.value(value.columns)
        for column in columns_of(value):
            _column(walk, column, pd)
    elif isinstance(value, pd.Series):
        walk.tag("series", type(value).__qualname__)
        walk.value(value.name)
        _column(walk, value.array, pd)
    elif isinstance(value, pd.Index):
        _index(walk, value, pd)
        return True
    elif isinstance(value, pd.api.extensions.ExtensionArray):
        _column(walk, value, pd)
        return True
    else:
        return False
    walk.value(value.index)
    walk.value(value.attrs)
    walk.value({name: item for name, item in vars(value).items() if not name.startswith("_")})
    return True


def _dtype_name(dtype: Any) -> str:
    return _plain_name(dtype) if dtype.kind in _PLAIN else str(dtype)


_plain_name = functools.lru_cache(maxsize=1_000)(str)
"""Of a plain one: NumPy puts it together anew each time."""


def columns_of(frame: Any) -> list[Any]:
    """The arrays of a frame's columns; by way of `iloc` each would take thirty times as long."""
    quick = getattr(frame, "_iter_column_arrays", None)
    return list(quick()) if quick else [frame.iloc[:, place].array for place in range(frame.shape[1])]


def _index(walk: Feed, index: Any, pd: Any) -> None:
    walk.tag("index", type(index).__qualname__, str(index.dtype))
    walk.value(list(index.names))
    if isinstance(index, pd.RangeIndex):
        walk.tag(index.start, index.stop, index.step)
    elif isinstance(index, pd.MultiIndex):
        for level, codes in zip(index.levels, index.codes, strict=True):
            walk.value(level)
            walk.value(codes)
    else:
        walk.tag(getattr(index, "freqstr", None))
        _column(walk, index.array, pd)


def _column(walk: Feed, column: Any, pd: Any) -> None:
    """One column by its own buffers, never by the blocks that pandas keeps it in."""
    np = sys.modules["numpy"]
    walk.tag("column", _dtype_name(column.dtype) if isinstance(column, np.ndarray) else str(column.dtype))
    if isinstance(column, pd.Categorical):
        walk.value(column.categories)
        walk.tag(column.ordered)
        _array(walk, np.asarray(column.codes), np)
    elif hasattr(column, "_pa_array"):
        _arrow_array(walk, column._pa_array)
    elif hasattr(column, "asi8"):
        _array(walk, column.asi8, np)
    elif hasattr(column, "_mask") and hasattr(column, "_data"):
        _array(walk, np.asarray(column._mask), np)
        _array(walk, np.where(column._mask, np.zeros((), column._data.dtype), column._data), np)
    else:
        _array(walk, np.asarray(column), np)


def _arrow(walk: Feed, value: Any, pa: Any) -> bool:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        walk.tag("arrow")
        _arrow_array(walk, value)
        return True
    if isinstance(value, pa.Table | pa.RecordBatch):
        walk.tag("arrow table", str(value.schema))
        for column in value.columns:
            _arrow_array(walk, column)
        return True
    return False


def _arrow_array(walk: Feed, array: Any) -> None:
    """Chunks and offsets into larger buffers are not content; without nulls the buffers are, else the values."""
    walk.tag(str(array.type), len(array))
    whole = array.combine_chunks() if hasattr(array, "combine_chunks") else array
    whole = whole.chunk(0) if hasattr(whole, "num_chunks") and whole.num_chunks else whole
    buffers = whole.buffers() if hasattr(whole, "buffers") and whole.offset == 0 and not whole.null_count else []
    if len(buffers) == 3 and len(array) and str(whole.type) in _OFFSETS:
        width = _OFFSETS[str(whole.type)]
        end = int.from_bytes(memoryview(buffers[1])[len(array) * width : (len(array) + 1) * width], "little")
        walk.data(memoryview(buffers[1])[: (len(array) + 1) * width])
        walk.data(memoryview(buffers[2] or b"")[:end])
    else:
        walk.passing(array.to_pylist())


_OFFSETS = {"string": 4, "large_string": 8, "binary": 4, "large_binary": 8}
"""Bytes of an offset, by Arrow type of variable width."""


def _torch(walk: Feed, value: Any, torch: Any) -> bool:
    if not isinstance(value, torch.Tensor):
        return False
    walk.tag("tensor", type(value).__qualname__, value.dtype, tuple(value.shape), value.device, value.requires_grad)
    plain = value.detach().cpu().contiguous()
    walk.data(plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else b"")
    walk.value(value.grad if value.is_leaf else None)
    return True


def _matplotlib(walk: Feed, value: Any, matplotlib: Any) -> bool:
    """Pickling or drawing a live figure would change it, so it counts by where it came from."""
    artist = getattr(sys.modules.get("matplotlib.artist"), "Artist", None)
    if artist is not None and isinstance(value, artist):
        raise NoContent(f"a {type(value).__name__} of matplotlib has no content to compare", consumable=True)
    return False


_ADAPTERS = (
    ("numpy", _numpy),
    ("pandas", _pandas),
    ("pyarrow", _arrow),
    ("torch", _torch),
    ("matplotlib", _matplotlib),
)
