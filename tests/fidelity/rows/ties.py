"""What hangs on an object without being a part of its value: weak references, lent memory, caches, dropped state."""

from __future__ import annotations

from tests.fidelity.rows.changes import NUMPY, change

ROWS = [
    change(
        "two arrays on one buffer",
        NUMPY + "b = bytearray(16)\nx = np.frombuffer(b, 'f8')\ny = np.frombuffer(b, 'i8')",
        "x[0] = 1.0",
        after="x[1] = 2.0",
        reruns={"t": ""},
    ),
    change(
        "a memoryview",
        "b = bytearray(b'abc')\nm = memoryview(b)",
        "m[0] = 90",
        ignore=("m",),
        after="m[1] = 91",
        reruns={"t": ""},
    ),
    change(
        "a weak reference",
        "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a)",
        "a.n = 5",
        "r() is a",
        ignore=("r",),
        after="v = r().n",
        reruns={"t": ""},
    ),
    change(
        "a WeakValueDictionary",
        "import weakref\nclass A: pass\na = A()\nw = weakref.WeakValueDictionary(a=a)",
        "a.n = 1",
        "w['a'] is a",
        ignore=("w",),
        reruns={"t": ""},
    ),
    change(
        "a weak reference to what the task leaves alone",
        "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a)",
        "t = r() is a",
        "r() is a",
        ignore=("r",),
    ),
    change(
        "a weak reference, and a task that has nothing to do with it",
        "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a)\nx = [1]",
        "x.append(2)",
        "r() is a",
        ignore=("r",),
    ),
    change(
        "a weak reference of the task to its own",
        "import weakref\nclass A: pass",
        "a = A()\nr = weakref.ref(a)",
        "r() is a",
        after="v = r() is a",
        ignore=("r",),
        reruns={"t": ""},
    ),
    change(
        "a WeakKeyDictionary and a WeakSet",
        "import weakref\nclass A: pass\na = A()\nw = weakref.WeakKeyDictionary({a: 1})\ns = weakref.WeakSet([a])",
        "a.n = 1",
        "w[a]",
        "a in s",
        ignore=("w", "s"),
        reruns={"t": ""},
    ),
    change(
        "an array on a bytearray that the task makes",
        NUMPY,
        "b = bytearray(16)\nx = np.frombuffer(b, 'f8')",
        after="x[0] = 1.0",
        reruns={"t": ""},
    ),
    change(
        "an array on a bytearray that nothing else holds",
        NUMPY + "x = np.frombuffer(bytearray(16), 'f8')",
        "x[0] = 1.0",
        after="x[1] = 2.0",
    ),
    change(
        "an attribute that __getstate__ drops",
        "class A:\n    def __init__(self):\n        self.n, self.cache = 1, {}\n"
        "    def __getstate__(self):\n        return {'n': self.n}\n",
        "a = A()\na.cache['k'] = 2",
        after="u = a.cache",
        reruns={"t": "leaves out 'cache'"},
    ),
    change(
        "a change of an attribute that __getstate__ drops",
        "class A:\n    def __init__(self):\n        self.n, self.cache = 1, {}\n"
        "    def __getstate__(self):\n        return {'n': self.n}\na = A()",
        "a.cache['k'] = 2",
        after="u = a.cache",
        reruns={"t": ""},
    ),
    change(
        "an attribute that __getstate__ drops and __setstate__ makes again",
        "class A:\n    def __init__(self):\n        self.n, self.f = 1, open\n"
        "    def __getstate__(self):\n        return {'n': self.n}\n"
        "    def __setstate__(self, state):\n        self.__dict__.update(state, f=open)\n",
        "a = A()",
        after="u = a.f is open",
    ),
    change(
        "a cache behind lru_cache",
        "import functools\ncalls = []\n@functools.lru_cache\ndef f(x):\n    calls.append(x)\n    return x",
        "t = f(1)",
        after="u = f(2)",
    ),
    change(
        "lru_cache asked for the same again",
        "import functools\ncalls = []\n@functools.lru_cache\ndef f(x):\n    calls.append(x)\n    return x",
        "t = f(1)",
        after="u = f(1)",
    ),
    change(
        "a cache of a function that the task defines",
        "import functools\ncalls = []",
        "@functools.lru_cache\ndef f(x):\n    calls.append(x)\n    return x\nf(1)",
        after="u = f(1)",
        ignore=("f",),
    ),
    change(
        "a cache of a method",
        "import functools\ncalls = []\nclass A:\n    @functools.lru_cache\n    def m(x):\n        calls.append(x)\n        return x",
        "A.m(1)\nA.m('a')",
        after="A.m('a')\nA.m(1)",
    ),
    change(
        "a cache that drops the oldest",
        "import functools\ncalls = []\n@functools.lru_cache(2)\ndef f(x, *, k=1):\n    calls.append((x, k))\n    return x",
        "f(1)\nf(2, k=2)\nf(1)",
        after="f(3)\nf(1)\nf(2, k=2)",
    ),
    change(
        "a cache that the task empties",
        "import functools\ncalls = []\n@functools.lru_cache\ndef f(x):\n    calls.append(x)\n    return x\nf(1)",
        "f.cache_clear()",
        after="f(1)",
        marked="a cache that is made again says in other code how it was made",
    ),
    change(
        "a cache of what cannot be saved",
        "import functools\n@functools.lru_cache\ndef f(x):\n    return (i for i in range(x))",
        "f(3)\nt = 1",
        after="u = list(f(3))",
    ),
]
