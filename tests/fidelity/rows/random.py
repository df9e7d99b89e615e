"""Random generators: what is drawn after a restore is what would have been drawn."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

RANDOM = "import random\n"
NUMPY = "import numpy as np\n"
TORCH = "import torch\n"


def draws(name: str, setup: str, body: str, after: str = "", **more: object) -> Trap:
    """A row in which a task draws, and `after`, a plain cell, draws on."""
    return trap(name, setup, f"%%task t\n{body}", *([after] if after else []), **more)  # type: ignore[arg-type]


ROWS = [
    draws("random, seeded in a plain cell", RANDOM + "random.seed(1)", "t = random.random()", "u = random.random()"),
    draws("random, seeded in the task", RANDOM, "random.seed(1)\nt = random.random()", "u = random.random()"),
    draws(
        "random, seeded by an expression",
        RANDOM + "s = 3\nrandom.seed(s * 2)",
        "t = random.random()",
        "u = random.random()",
    ),
    draws(
        "random, its state set",
        RANDOM + "random.seed(1)\ns = random.getstate()\nrandom.random()\nrandom.setstate(s)",
        "t = random.random()",
        "u = random.random()",
    ),
    draws(
        "random.gauss keeps one in hand", RANDOM + "random.seed(1)", "t = random.gauss(0, 1)", "u = random.gauss(0, 1)"
    ),
    draws(
        "random.shuffle and sample",
        RANDOM + "random.seed(1)",
        "t = random.sample(range(9), 3)\nrandom.shuffle(t)",
        "u = random.choice('abc')",
    ),
    draws(
        "seeded in a helper",
        RANDOM + "def start():\n    random.seed(5)",
        "start()\nt = random.random()",
        "u = random.random()",
    ),
    draws(
        "drawn in a helper", RANDOM + "def one():\n    return random.random()\nrandom.seed(1)", "t = one()", "u = one()"
    ),
    draws(
        "seeded in a module",
        "import tools\ntools.start()",
        "t = tools.one()",
        "u = tools.one()",
        files={"tools.py": "import random\ndef start():\n    random.seed(3)\ndef one():\n    return random.random()\n"},
    ),
    draws(
        "seeded when a module is loaded",
        "import tools",
        "t = tools.one()",
        "u = tools.one()",
        files={"tools.py": "import random\nrandom.seed(3)\ndef one():\n    return random.random()\n"},
    ),
    draws(
        "a module that the task loads seeds",
        RANDOM,
        "import tools\nt = random.random()",
        "u = random.random()",
        files={"tools.py": "import random\nrandom.seed(3)\n"},
    ),
    draws(
        "another seed",
        RANDOM + "random.seed(1)",
        "t = random.random()",
        "u = random.random()",
        edit=("seed(1)", "seed(2)"),
        reruns={"t": "random"},
    ),
    trap(
        "another seed for two tasks",
        RANDOM + "random.seed(1)",
        "%%task s\ns = random.random()",
        "%%task t\nt = random.random()",
        "u = random.random()",
        edit=("seed(1)", "seed(2)"),
        reruns={"s": "random", "t": "random"},
    ),
    trap(
        "a draw more in a plain cell before",
        RANDOM + "random.seed(1)",
        "x = 0",
        "%%task t\nt = random.random()",
        "u = random.random()",
        edit=("x = 0", "x = random.random()"),
        reruns={"t": "random"},
    ),
    trap(
        "a draw more in a plain cell before, and the task does not draw",
        RANDOM + "random.seed(1)",
        "x = 0",
        "%%task t\nt = 5",
        "u = random.random()",
        edit=("x = 0", "x = random.random()"),
    ),
    trap(
        "the task before draws more",
        RANDOM + "random.seed(1)",
        "%%task s\ns = [random.random() for _ in range(2)]",
        "%%task t\nt = random.random()",
        edit=("range(2)", "range(3)"),
        reruns={"s": "code", "t": "random"},
    ),
    trap(
        "tasks draw in turns with plain cells",
        RANDOM + "random.seed(1)",
        "%%task s\ns = random.random()",
        "x = random.random()",
        "%%task t\nt = random.random()",
        "y = random.random()",
        stops=(2, 5),
    ),
    trap(
        "seeded once, two kernels killed on the way",
        RANDOM + "random.seed(1)",
        "%%task s\ns = random.random()",
        "%%task t\nt = random.random()",
        "%%task u\nu = random.random()",
        stops=(2, 3, 4),
    ),
    trap(
        "seeded in the task, which was edited",
        RANDOM,
        "%%task t\nrandom.seed(1)\nt = random.random()",
        "%%task s\nrandom.seed(1)\ns = random.random()",
        "u = random.random()",
        order=(0, 2, 1, 2, 3),
    ),
    trap(
        "drawn before and after it is seeded in the task",
        RANDOM + "random.seed(7)",
        "%%task t\nt = random.random()\nrandom.seed(1)",
        "u = random.random()",
        edit=("seed(7)", "seed(8)"),
        reruns={"t": "random"},
    ),
    trap(
        "seeded in the task, after another seed",
        RANDOM + "random.seed(7)",
        "%%task t\nrandom.seed(1)\nt = random.random()",
        "u = random.random()",
        edit=("seed(7)", "seed(8)"),
    ),
    trap(
        "the function that seeds, bound by the task",
        "%%task t\nfrom random import seed, random\nseed(1)\nt = random()",
        "seed(2)\nu = random()",
    ),
    draws("an instance in a plain cell", RANDOM + "r = random.Random(4)", "t = r.random()", "u = r.random()"),
    draws("an instance of the task", RANDOM, "r = random.Random(4)\nt = r.random()", "u = r.random()"),
    draws(
        "an instance under two names",
        RANDOM + "r = random.Random(4)\nq = r",
        "t = q.random()",
        "u = r.random()",
        same="q is r",
    ),
    draws(
        "an instance in an object",
        RANDOM + "class A:\n    def __init__(self):\n        self.r = random.Random(1)\na = A()",
        "t = a.r.random()",
        "u = a.r.random()",
    ),
    draws(
        "an instance of another seed",
        RANDOM + "r = random.Random(4)",
        "t = r.random()",
        "u = r.random()",
        edit=("Random(4)", "Random(5)"),
        reruns={"t": "'r'"},
    ),
    draws(
        "the generator behind random",
        RANDOM + "random.seed(1)\nr = random._inst",
        "t = r.random()",
        "u = random.random()",
    ),
    draws(
        "SystemRandom is not repeated", RANDOM + "r = random.SystemRandom()", "t = r.random() < 2", "u = r.random() < 2"
    ),
    draws("NumPy's old generator", NUMPY + "np.random.seed(1)", "t = np.random.rand(3)", "u = np.random.rand()"),
    draws(
        "NumPy's old generator, one normal in hand",
        NUMPY + "np.random.seed(1)",
        "t = np.random.standard_normal()",
        "u = np.random.standard_normal()",
    ),
    draws(
        "NumPy's old generator, seeded in the task",
        NUMPY,
        "np.random.seed(1)\nt = np.random.rand(3)",
        "u = np.random.rand()",
    ),
    draws(
        "NumPy's old generator and Python's",
        RANDOM + NUMPY + "np.random.seed(1)\nrandom.seed(1)",
        "t = np.random.rand() + random.random()",
        "u = np.random.rand() + random.random()",
    ),
    draws("a RandomState", NUMPY + "r = np.random.RandomState(1)", "t = r.rand(3)", "u = r.rand()"),
    draws(
        "NumPy's global RandomState",
        NUMPY + "np.random.seed(1)\nr = np.random.mtrand._rand",
        "t = r.rand(3)",
        "u = np.random.rand()",
    ),
    draws("default_rng", NUMPY + "rng = np.random.default_rng(1)", "t = rng.normal(size=3)", "u = rng.integers(100)"),
    draws(
        "default_rng of the task",
        NUMPY,
        "rng = np.random.default_rng(1)\nt = rng.normal(size=3)",
        "u = rng.integers(100)",
    ),
    draws(
        "half a number in hand",
        NUMPY + "rng = np.random.default_rng(1)",
        "t = rng.integers(10, dtype=np.int32)",
        "u = rng.integers(10, dtype=np.int32)",
    ),
    draws(
        "another bit generator",
        NUMPY + "rng = np.random.Generator(np.random.Philox(5))",
        "t = rng.random(3)",
        "u = rng.random()",
    ),
    draws(
        "a bit generator under two generators",
        NUMPY + "b = np.random.PCG64(5)\nrng = np.random.Generator(b)\nq = np.random.Generator(b)",
        "t = rng.random(3)",
        "u = q.random()",
    ),
    draws(
        "spawned generators",
        NUMPY + "rng = np.random.default_rng(1)",
        "a, b = rng.spawn(2)\nt = a.random()",
        "u = b.random() + rng.spawn(1)[0].random()",
        numpy2="before, pickles forgot how many generators were spawned",
    ),
    draws(
        "a SeedSequence",
        NUMPY + "s = np.random.SeedSequence(1)",
        "t = [c.generate_state(1)[0] for c in s.spawn(2)]",
        "u = s.spawn(1)[0].generate_state(1)",
    ),
    draws("an unseeded draw is kept", RANDOM, "t = random.random()", "u = 1", ignore=("t",)),
    draws("an unseeded NumPy draw is kept", NUMPY, "t = np.random.rand()", "u = 1", ignore=("t",)),
    draws("seeded after the task", RANDOM, "t = 1", "random.seed(1)\nu = random.random()"),
    draws(
        "a model with random_state",
        "from sklearn.ensemble import RandomForestRegressor\nimport numpy as np\nx = np.arange(20.0).reshape(10, 2)",
        "m = RandomForestRegressor(3, random_state=1).fit(x, x[:, 0])\nt = m.predict(x)",
        "u = m.predict(x + 1)",
        ignore=("m",),
    ),
    draws(
        "a split by the global generator",
        NUMPY + "from sklearn.model_selection import train_test_split\nnp.random.seed(2)",
        "a, b = train_test_split(np.arange(10))",
        "c, d = train_test_split(np.arange(10))",
    ),
    draws(
        "df.sample",
        "import pandas as pd\nimport numpy as np\nnp.random.seed(1)\ndf = pd.DataFrame({'a': range(9)})",
        "t = df.sample(3)",
        "u = df.sample(2)",
        numpy2="before pandas 2.2, what a frame derives from another has that one's very index",
    ),
    draws(
        "scipy",
        "from scipy import stats\nimport numpy as np\nnp.random.seed(1)",
        "t = stats.norm.rvs(size=3)",
        "u = stats.norm.rvs()",
    ),
    draws(
        "a frozen distribution",
        "from scipy import stats\nimport numpy as np\nnp.random.seed(1)",
        "d = stats.norm(1, 2)\nt = d.rvs()",
        "u = d.rvs()",
        ignore=("d",),
    ),
    draws(
        "uuid4 and secrets are kept",
        "import uuid, secrets",
        "t = [uuid.uuid4().hex, secrets.token_hex()]",
        "u = len(t)",
        ignore=("t",),
    ),
    draws(
        "in a thread that was joined",
        RANDOM + "import threading\nrandom.seed(1)\nout = []",
        "w = threading.Thread(target=lambda: out.append(random.random()))\nw.start()\nw.join()\ndel w",
        "u = random.random()",
    ),
    draws("a task that draws nothing leaves the generators", RANDOM + "random.seed(1)", "t = 1", "u = random.random()"),
    trap(
        "drawn in a function task",
        RANDOM + "from milepost import task\nrandom.seed(1)",
        "@task\ndef t():\n    return random.random()",
        "v = t.result()",
        "u = random.random()",
        ignore=("t",),
    ),
    draws(
        "torch, seeded in a plain cell",
        TORCH + "torch.manual_seed(1)",
        "t = torch.rand(2).tolist()",
        "u = torch.rand(1).item()",
        needs=("torch",),
    ),
    draws(
        "torch, seeded in the task",
        TORCH,
        "torch.manual_seed(1)\nt = torch.rand(2).tolist()",
        "u = torch.rand(1).item()",
        needs=("torch",),
    ),
    draws(
        "a torch generator",
        TORCH + "g = torch.Generator().manual_seed(1)",
        "t = torch.rand(2, generator=g).tolist()",
        "u = torch.rand(1, generator=g).item()",
        needs=("torch",),
        ignore=("g",),
    ),
    draws(
        "a torch layer",
        TORCH + "torch.manual_seed(1)",
        "m = torch.nn.Linear(2, 1)\nt = m.weight.tolist()",
        "u = torch.nn.Linear(2, 1).weight.tolist()",
        needs=("torch",),
        ignore=("m",),
    ),
]
