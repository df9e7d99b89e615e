"""Code as it counts: without comments, white space, docstrings, file names and line numbers."""

from __future__ import annotations

import ast
import dis
import functools
import re
from collections.abc import Iterable, Iterator
from types import CodeType

from blake3 import blake3


def digest_text(*parts: str) -> str:
    """BLAKE3 of some texts, hex; unambiguous about where one part ends."""
    hasher = blake3()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()


def normalise(tree: ast.Module) -> str:
    """The source that counts: what `ast.unparse` gives once docstrings of functions and classes are gone."""
    return _normalised(ast.unparse(tree))


@functools.lru_cache(maxsize=2_000)
def _normalised(source: str) -> str:
    """The same cells run again and again, and this takes longer than the rest of looking one up."""
    return ast.unparse(ast.fix_missing_locations(_WithoutDocstrings().visit(ast.parse(source))))


def tree_digest(tree: ast.Module) -> str:
    """What a cell's code comes to, hex."""
    return digest_text(normalise(tree))


class _WithoutDocstrings(ast.NodeTransformer):
    def _strip(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _strip


@functools.lru_cache(maxsize=20_000)
def code_token(code: CodeType) -> tuple[object, ...]:
    """What a code object does, as a tree of atoms: no file name and no lines.

    Instructions are taken with what they refer to, not with its index, so that a docstring, which no instruction
    loads, does not count.
    """
    signature = (code.co_name, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags & ~_HAS_DOCSTRING)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    body = tuple((i.opname, _constant(i.argval)) for i in dis.get_instructions(code) if i.opname not in _SILENT_OPS)
    return (*signature, *counts, code.co_exceptiontable, body)


_HAS_DOCSTRING = 0x4000000
"""A flag of Python 3.13 and newer."""

_SILENT_OPS = frozenset({"CACHE", "EXTENDED_ARG", "NOP"})


def _constant(item: object) -> object:
    if isinstance(item, CodeType):
        return code_token(item)
    if isinstance(item, tuple):
        return ("tuple", *(_constant(part) for part in item))
    if isinstance(item, frozenset):
        return ("frozenset", *sorted(f"{type(part).__name__}:{part!r}" for part in item))
    return f"{type(item).__name__}:{item!r}"


@functools.lru_cache(maxsize=20_000)
def global_names(code: CodeType) -> tuple[str, ...]:
    """The global names that a code object and those nested in it read or store, sorted.

    `__main__` is among them where the code asks for that module: then it may read any.
    """
    main = [MAIN] if any(map(_asks_for_main, nested(code))) else []
    return tuple(sorted({*_global_names(code), *main}))


MAIN = "__main__"
"""The name of the module whose variables are the notebook's."""


def _asks_for_main(code: CodeType) -> bool:
    """Whether code imports that module or names it; to compare its name with `__name__` is no such thing."""
    return MAIN in code.co_names or (MAIN in code.co_consts and "__name__" not in code.co_names)


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL_OPS:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


@functools.lru_cache(maxsize=20_000)
def global_paths(code: CodeType) -> tuple[tuple[str, ...], ...]:
    """The global names of a code object and those nested in it, each with the attributes that it goes on to, sorted.

    `package.part.f(x)` is one path of three; an attribute that is set or deleted ends a path as well.
    """
    return tuple(sorted({path for part in nested(code) for path in _paths(part)}))


def _paths(code: CodeType) -> Iterator[tuple[str, ...]]:
    path: list[str] = []
    for instruction in (i for i in dis.get_instructions(code) if i.opname not in _SILENT_OPS):
        if path and instruction.opname in _ATTRIBUTE_OPS:
            path.append(str(instruction.argval))
            continue
        if path:
            yield tuple(path)
        path = [str(instruction.argval)] if instruction.opname in _GLOBAL_OPS else []


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code object and those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


@functools.lru_cache(maxsize=20_000)
def imported_names(code: CodeType) -> tuple[str, ...]:
    """The modules that a code object and those nested in it import, sorted; relative ones begin with dots.

    What is imported from a package may be a module or not: both are given, the package and the name in it.
    """
    return tuple(sorted({name for part in nested(code) for name in _imported_names(part)}))


def _imported_names(code: CodeType) -> Iterator[str]:
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _SILENT_OPS]
    for place, instruction in enumerate(instructions):
        if instruction.opname == "IMPORT_NAME":
            level, names = (i.argval for i in instructions[place - 2 : place])
            yield from module_names("." * level + str(instruction.argval), names or ())


@functools.lru_cache(maxsize=2_000)
def parts_imported(source: str) -> tuple[str, ...]:
    """The modules that `import a.b` loads at the top level of some code: what it binds, `a`, does not show `a.b`."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    names = (alias for node in _at_top(tree) if isinstance(node, ast.Import) for alias in node.names)
    return tuple(dict.fromkeys(alias.name for alias in names if "." in alias.name and alias.asname is None))


def _at_top(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _at_top(child)


def module_names(module: str, names: Iterable[str]) -> Iterator[str]:
    """What `from module import names` may import."""
    if module.strip("."):
        yield module
    yield from (f"{module}{'' if module.endswith('.') else '.'}{name}" for name in names if name != "*")


@functools.lru_cache(maxsize=20_000)
def quoted_names(code: CodeType) -> tuple[str, ...]:
    """Names written as `@name` in texts: what `DataFrame.query` and `eval` look up where they are called."""
    texts = (item for part in nested(code) for item in part.co_consts if isinstance(item, str))
    return tuple(sorted({name for text in texts for name in _QUOTED.findall(text)}))


_QUOTED = re.compile(r"(?<!\w)@([^\W\d]\w*)")

_GLOBAL_OPS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})

_ATTRIBUTE_OPS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})
