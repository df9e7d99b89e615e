"""What saved streams name: these functions and their parameters belong to the format, and change with its number."""

from __future__ import annotations

import inspect
import pickletools
from types import ModuleType
from typing import Any

import pytest

from milepost.checkpoint.layout import FORMAT_VERSION
from milepost.checkpoint.serializers import rebuild, rebuild_data
from milepost.checkpoint.serializers.arrays import Own
from milepost.checkpoint.serializers.parts import Parts

from .serializing import Kernel

REBUILD = """
closed_file(name, mode, text)
dict_view(owner, kind)
environment()
fill_cached(cached, found)
fill_cell(cell, content)
finish(target, state)
finish_attributes(target, attributes)
finish_class(target, state)
finish_container(target, state)
finish_exception(error, state)
finish_function(function, state)
finish_vars(target, attributes)
live_class(name, fingerprint, build, args)
live_function(name, fingerprint, build, args)
live_namespace()
make_cached(function, parameters)
make_cached_property(function)
make_cell()
make_class(*args)
make_enum(*args)
make_exception(kind, args)
make_function(code, namespace, closure)
make_named(kind, *args)
member(module, name)
module_namespace(name)
standard_stream(name)
weak_dict(kind, items)
whole_view(owner)
with_dill(data)
"""
REBUILD_DATA = """
array_of_bytes(memory, dtype, shape, order)
array_of_kind(kind, base)
array_view(carrier, was, offset, shape, strides, dtype, writeable)
empty_objects(shape, order)
finish_objects(array, state)
finish_read_only(array, state)
finish_tensor(tensor, state)
layout(value)
mapped_file(name, size, modified, dtype, offset, shape, order)
memory_of(value)
part_of_map(kind, file, offset, shape, strides, dtype)
polars_frame(kind, columns)
polars_objects(name, values)
polars_series(name, arrays, dtype, flags)
storage_of_bytes(memory)
storage_on(storage, device)
storage_view(carrier, was, offset, size)
torch_generator(device, state)
typed_storage(storage, dtype)
"""


@pytest.mark.parametrize(
    ("module", "known"), [(rebuild, REBUILD), (rebuild_data, REBUILD_DATA)], ids=["Python", "data"]
)
def test_what_streams_call(module: ModuleType, known: str) -> None:
    assert FORMAT_VERSION == 1
    assert _functions(module) == known.split("\n")[1:-1]


def test_an_input_is_named_as_the_format_says() -> None:
    kernel = Kernel("a = {'k': [[1]]}; b = a['k'][0]")
    link = b'["a", ["item", "k"], ["item", 0]]'
    opcodes = b"\x80\x05X" + len(link).to_bytes(4, "little") + link + b"Q\x940"
    assert kernel.dump("b", shared=("a",)).blob.stream.startswith(opcodes + b"\x80\x05")


def test_nothing_of_ours_is_named_but_that() -> None:
    kernel = Kernel("class C: pass\nc = C(); f = lambda: c; m = np.arange(4000).astype('M8[s]'); p = [m[2:], m]")
    names = _globals(kernel.dump("C", "c", "f", "m", "p").blob.stream)
    ours = {name for name in names if name.startswith("milepost")}
    assert {name.rpartition(" ")[0] for name in ours} <= {rebuild.__name__, rebuild_data.__name__}
    assert not any(kind.__name__ in name for kind in (Own, Parts) for name in names)


def _functions(module: ModuleType) -> list[str]:
    found = inspect.getmembers(module, inspect.isfunction)
    return [
        f"{name}({', '.join(str(p).partition(':')[0] for p in inspect.signature(function).parameters.values())})"
        for name, function in found
        if function.__module__ == module.__name__ and not name.startswith("_")
    ]


def _globals(stream: bytes) -> set[str]:
    """What the pickle looks up, as "module name"."""
    found: set[str] = set()
    texts: list[Any] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "STACK_GLOBAL":
            found.add(f"{texts[-2]} {texts[-1]}")
        elif isinstance(argument, str):
            texts.append(argument)
    return found
