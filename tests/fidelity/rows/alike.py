"""Values that are alike and not the same, by what only their type, order or form tells; and values that are the same."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

NUMPY = "import numpy as np"
PANDAS = "import pandas as pd\nimport numpy as np"
DATA = "import dataclasses, enum, collections, typing\n"


def read(name: str, setup: str, body: str = "t = repr(x)", **more: object) -> Trap:
    """A row in which a task reads `x`, which a plain cell made: nothing changed, so it is restored."""
    return trap(name, setup, f"%%task t\n{body}", **more)  # type: ignore[arg-type]


def other(
    name: str, setup: str, one: str, two: str, body: str = "t = repr(x)", why: str = "'x'", **more: object
) -> Trap:
    """A row in which `x` is another value, however alike, so that the task runs again."""
    cells = (setup + f"\nx = {one}", f"%%task t\n{body}")
    return trap(name, *cells, now=(setup + f"\nx = {two}", cells[1]), reruns={"t": why}, **more)  # type: ignore[arg-type]


ROWS = [
    other("True and 1", "", "1", "True"),
    other("1 and 1.0", "", "1", "1.0"),
    other("0.0 and -0.0", "", "0.0", "-0.0"),
    other("-0.0 in a list", "", "[0.0]", "[-0.0]"),
    other(
        "-0.0 in an array",
        NUMPY,
        "np.array([0.0])",
        "np.array([-0.0])",
        "t = repr(1 / x)",
    ),
    other("a key of True and of 1", "", "{1: 'a'}", "{True: 'a'}"),
    other("a tuple and a list", "", "[1, 2]", "(1, 2)"),
    other("bytes and a bytearray", "", "b'a'", "bytearray(b'a')"),
    other("a set and a frozenset", "", "{1}", "frozenset({1})"),
    other("text and bytes", "", "'a'", "b'a'"),
    other("text in two normal forms", "", "'\\u00e9'", "'e\\u0301'", "t = len(x)"),
    other("a subclass of int", "class I(int): pass", "5", "I(5)", "t = type(x).__name__"),
    other("a subclass of str", "class S(str): pass", "'a'", "S('a')", "t = type(x).__name__"),
    other("a subclass of dict", "import collections", "{'a': 1}", "collections.OrderedDict(a=1)"),
    other(
        "a subclass of list with an attribute",
        "class L(list): pass\ndef make(n):\n    x = L([1])\n    x.n = n\n    return x",
        "make(1)",
        "make(2)",
        "t = x.n",
    ),
    other(
        "a nan with another payload",
        "import struct",
        "float('nan')",
        "struct.unpack('<d', struct.pack('<Q', 0x7ff8000000000001))[0]",
        "import struct\nt = struct.pack('<d', x).hex()",
    ),
    other("a nan of the other sign", "import math", "math.nan", "-math.nan", "import math\nt = math.copysign(1, x)"),
    other("a huge int", "", "10 ** 400", "10 ** 400 + 1"),
    other("a number of NumPy and of Python", NUMPY, "1.5", "np.float64(1.5)"),
    other("a dtype", NUMPY, "np.arange(3)", "np.arange(3, dtype='i4')"),
    other(
        "the byte order of a dtype",
        NUMPY,
        "np.arange(3, dtype='<i4')",
        "np.arange(3, dtype='>i4')",
        "t = x.dtype.str + x.tobytes().hex()",
    ),
    other(
        "the order of an array in memory",
        NUMPY,
        "np.ones((2, 3))",
        "np.ones((2, 3), order='F')",
        "t = x.flags.f_contiguous",
    ),
    other(
        "a masked value under the mask",
        NUMPY,
        "np.ma.array([1, 2], mask=[0, 1])",
        "np.ma.array([1, 3], mask=[0, 1])",
        "t = x.data.tolist()",
        xfail="what a mask hides does not count: fitted searches have memory there that nobody wrote",
    ),
    other("a mask", NUMPY, "np.ma.array([1, 2], mask=[0, 1])", "np.ma.array([1, 2], mask=[1, 0])"),
    other(
        "a fill value",
        NUMPY,
        "np.ma.array([1, 2], mask=[0, 1])",
        "np.ma.array([1, 2], mask=[0, 1], fill_value=7)",
        "t = x.filled().tolist()",
    ),
    other("a field of a structured array", NUMPY, "np.array([(1, 2)], 'i4,i4')", "np.array([(1, 3)], 'i4,i4')"),
    other(
        "the names of a structured array",
        NUMPY,
        "np.array([(1, 2)], [('a', 'i4'), ('b', 'i4')])",
        "np.array([(1, 2)], [('b', 'i4'), ('a', 'i4')])",
        "t = int(x['a'][0])",
    ),
    other("an object in an array", NUMPY, "np.array([1, None], object)", "np.array([1.0, None], object)"),
    other(
        "None and nan in a column",
        PANDAS,
        "pd.Series([None, 'a'], dtype=object)",
        "pd.Series([float('nan'), 'a'], dtype=object)",
        "t = [str(i) for i in x]",
    ),
    other(
        "an index's name", PANDAS, "pd.Series([1])", "pd.Series([1], index=pd.Index([0], name='n'))", "t = x.index.name"
    ),
    other(
        "an index's type", PANDAS, "pd.Series([1, 2])", "pd.Series([1, 2], index=[0, 1])", "t = type(x.index).__name__"
    ),
    other(
        "the order of categories",
        PANDAS,
        "pd.Series(pd.Categorical(['a'], ['a', 'b']))",
        "pd.Series(pd.Categorical(['a'], ['b', 'a']))",
        "t = x.cat.codes.tolist()",
    ),
    other(
        "ordered categories",
        PANDAS,
        "pd.Series(pd.Categorical(['a'], ['a', 'b']))",
        "pd.Series(pd.Categorical(['a'], ['a', 'b'], ordered=True))",
        "t = x.cat.ordered",
    ),
    other(
        "categories that nothing has",
        PANDAS,
        "pd.Series(pd.Categorical(['a'], ['a']))",
        "pd.Series(pd.Categorical(['a'], ['a', 'b']))",
        "t = len(x.value_counts())",
    ),
    other(
        "a level of a MultiIndex that nothing has",
        PANDAS,
        "pd.MultiIndex.from_tuples([(1, 2)])",
        "pd.MultiIndex.from_tuples([(1, 2), (3, 4)])[:1]",
        "t = x.levels[0].tolist()",
    ),
    other(
        "the order of columns",
        PANDAS,
        "pd.DataFrame({'a': [1], 'b': [2]})",
        "pd.DataFrame({'b': [2], 'a': [1]})",
        "t = list(x)",
    ),
    other(
        "a time zone of the same offset",
        PANDAS,
        "pd.Timestamp('2020-01-01', tz='Europe/Berlin')",
        "pd.Timestamp('2020-01-01', tz='Europe/Paris')",
    ),
    other(
        "a datetime's fold",
        "import datetime, zoneinfo\nz = zoneinfo.ZoneInfo('Europe/Berlin')",
        "datetime.datetime(2020, 10, 25, 2, 30, tzinfo=z)",
        "datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=z)",
        "t = str(x)",
    ),
    other(
        "the resolution of times",
        PANDAS,
        "pd.Series(pd.to_datetime(['2020'])).astype('datetime64[ns]')",
        "pd.Series(pd.to_datetime(['2020'])).astype('datetime64[s]')",
        "t = str(x.dtype)",
    ),
    other(
        "the frequency of an index",
        PANDAS,
        "pd.date_range('2020', periods=3)",
        "pd.DatetimeIndex(list(pd.date_range('2020', periods=3)))",
        "t = str(x.freq)",
    ),
    other(
        "the exponent of a Decimal", "import decimal", "decimal.Decimal('1.1')", "decimal.Decimal('1.10')", "t = str(x)"
    ),
    other(
        "an explicit zero of a sparse matrix",
        "import scipy.sparse as sp\nimport numpy as np",
        "sp.csr_matrix(np.array([[1, 0]]))",
        "sp.csr_matrix(([1, 0], [0, 1], [0, 2]))",
        "t = x.nnz",
    ),
    other(
        "a format of a sparse matrix",
        "import scipy.sparse as sp\nimport numpy as np",
        "sp.csr_matrix(np.eye(2))",
        "sp.csc_matrix(np.eye(2))",
        "t = x.format",
    ),
    other("the length limit of a deque", "import collections", "collections.deque([1])", "collections.deque([1], 2)"),
    other(
        "the factory of a defaultdict",
        "import collections",
        "collections.defaultdict(int)",
        "collections.defaultdict(list)",
        "t = x['a']",
    ),
    other(
        "the lambda of a defaultdict",
        "import collections",
        "collections.defaultdict(lambda: 1)",
        "collections.defaultdict(lambda: 2)",
        "t = x['a']",
    ),
    other(
        "the order of an OrderedDict",
        "import collections",
        "collections.OrderedDict(a=1, b=2)",
        "collections.OrderedDict(b=2, a=1)",
        "t = list(x)",
    ),
    other("the order of a dict in a list", "", "[{'a': 1, 'b': 2}]", "[{'b': 2, 'a': 1}]", "t = list(x[0])"),
    other(
        "where an iterator stands",
        "def it(n):\n    i = iter([1, 2, 3])\n    [next(i) for _ in range(n)]\n    return i",
        "it(1)",
        "it(2)",
        "t = list(x)",
        ignore=("x",),
    ),
    other("two names for one list, and two lists", "", "[[1]] * 2", "[[1], [1]]", "x[0].append(2)\nt = len(x[1])"),
    read("a set, whatever the hash seed", "x = {'a', 'b', 'c', 'd', 'e'}", "t = sorted(x)"),
    read("a frozenset in a dict's key", "x = {frozenset('abc'): 1}", "t = len(x)"),
    read("a dict of sets", "x = {i: set('abcdef') for i in 'xyz'}", "t = len(x['x'])"),
    read("a set of tuples and None", "x = {(1, 'a'), None, 'b', 2.5}", "t = len(x)"),
    read(
        "a set of enum members", "import enum\nE = enum.Enum('E', 'A B C')\nx = set(E)", "t = sorted(e.name for e in x)"
    ),
    read(
        "a set of frozen dataclasses",
        DATA + "@dataclasses.dataclass(frozen=True)\nclass P:\n    n: str\nx = {P('a'), P('b'), P('c')}",
        "t = sorted(p.n for p in x)",
    ),
    read("a function with a set constant", "def f(v):\n    return v in {'a', 'b', 'c'}", "t = f('a')"),
    read("text that is interned", "import sys\nx = [sys.intern('a' * 5), 'aaaaa']", "t = x[0] == x[1]"),
    read("text joined at run time", "x = ['ab', ''.join(['a', 'b'])]", "t = x"),
    read("a dict view", "d = {'a': 1}\nx = d.keys()", "t = list(x)"),
    read(
        "a vectorizer",
        "from sklearn.feature_extraction.text import CountVectorizer\nx = CountVectorizer().fit(['a bb', 'bb cc'])",
        "t = sorted(x.vocabulary_)",
        ignore=("x",),
    ),
    read(
        "a model",
        "import numpy as np\nfrom sklearn.linear_model import LinearRegression\nx = LinearRegression().fit(np.eye(3), [1, 2, 3])",
        "t = x.coef_.tolist()",
        ignore=("x",),
    ),
    read("a regular expression", "import re\nx = re.compile('a+')", "t = x.findall('aab')"),
    read("a path", "import pathlib\nx = pathlib.Path('a') / 'b'"),
    read("a module of Python", "import math as x", "t = x.pi"),
    read("a method of a builtin", "x = 'abc'.upper", "t = x()"),
    read(
        "a frame whose column is a set's order",
        "import pandas as pd\nx = pd.DataFrame({'a': sorted({'x', 'y', 'z'})})",
        "t = x['a'].tolist()",
    ),
    read("a NamedTuple's class", DATA + "class P(typing.NamedTuple):\n    a: int = 1\nx = P()", "t = x.a"),
    read(
        "an abstract class",
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\nclass B(A):\n    def m(self):\n        return 1\nx = B()",
        "t = x.m() + isinstance(x, A)",
    ),
    read(
        "a Protocol",
        DATA
        + "@typing.runtime_checkable\nclass P(typing.Protocol):\n    def m(self) -> int: ...\nclass B:\n    def m(self):\n        return 1\nx = B()",
        "t = isinstance(x, P)",
    ),
    read(
        "a generic class",
        DATA + "T = typing.TypeVar('T')\nclass G(typing.Generic[T]):\n    pass\nx = G[int]()",
        "t = isinstance(x, G)",
    ),
    read(
        "a class with slots and a property",
        "class A:\n    __slots__ = ('_n', '__dict__')\n    @property\n    def n(self):\n        return self._n\nx = A()\nx._n = 4\nx.m = 5",
        "t = x.n + x.m",
    ),
    read(
        "a class with __getstate__",
        "class A:\n    def __init__(self):\n        self.n = 1\n        self.f = open\n    def __getstate__(self):\n        return {'n': self.n}\n    def __setstate__(self, state):\n        self.__dict__.update(state, f=open)\nx = A()",
        "t = x.n",
    ),
    read(
        "a cached property that was asked",
        "import functools\nclass A:\n    @functools.cached_property\n    def n(self):\n        return 5\nx = A()\nx.n",
        "t = x.n",
    ),
]
