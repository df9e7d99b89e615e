"""What a task changes, and that goes on holding objects of variables which the task does not read."""

from __future__ import annotations

from tests.fidelity.rows.changes import NUMPY, change
from tests.fidelity.trap import trap

PAIR = "d = [1]\ne = [2]\nc = [d, e]"
OBJECT = "class O: pass\no = O()\no.d = d = [1]\no.e = e = [2]"
SAME = ("c[0] is d", "c[1] is e")
GOES_ON = "c[0].append(5)\nc[1].append(6)"

ROWS = [
    change("a list of lists, to which one is appended", PAIR, "c.append(3)", *SAME, after=GOES_ON),
    change("a list in a list", PAIR, "d.append(3)", *SAME, after=GOES_ON),
    change(
        "a list in a list that has no other name",
        "e = [2]\nc = [[1], e]",
        "c[0].append(3)",
        "c[1] is e",
        after="e[0] = 6",
    ),
    change(
        "an attribute of an object", OBJECT, "d.append(3)", "o.d is d", "o.e is e", after="o.e.append(6)\no.d[0] = 7"
    ),
    change("a list in a list in a dict", f"{PAIR}\nr = {{'c': c}}", "d.append(3)", *SAME, "r['c'] is c", after=GOES_ON),
    change("what others hold, too", f"{PAIR}\nf = [e]", "d.append(3)", *SAME, "f[0] is e", after=GOES_ON),
    change(
        "a part of what a variable holds",
        "d = [1]\ne = {'k': [2]}\nc = [d, e['k']]",
        "d.append(3)",
        "c[1] is e['k']",
        after="e['k'].append(4)",
    ),
    change(
        "a view of an array",
        NUMPY + "a = np.zeros(4)\nb = np.ones(4)\nc = [a, b[1:]]",
        "a += 1",
        "c[0] is a",
        "np.shares_memory(c[1], b)",
        after="b += 1",
    ),
    trap("what is deleted", PAIR, "%%task t\nd.append(3)\nglobals().pop('e')", same="c[0] is d"),
    trap("what is bound anew", PAIR, "%%task t\nd.append(3)\nglobals()['e'] = [7]", "e[0] = c[1][0]", same="c[0] is d"),
    trap(
        "what has other contents now",
        f"{PAIR}\nf = 1",
        "%%task t\nd.append(3)",
        edit=("e = [2]", "e = [5]"),
        same=SAME,
        reruns={"t": "hung together"},
    ),
    trap(
        "what is a copy now",
        PAIR,
        "%%task t\nd.append(3)",
        "e.append(4)",
        edit=("c = [d, e]", "c = [d, e[:]]"),
        same=SAME,
        reruns={"t": "hung together"},
    ),
    trap(
        "what lies beside what is held",
        "d = [1]\ne = {'k': [2], 'n': 1}\nc = [d, e['k']]",
        "%%task t\nd.append(3)",
        edit=("'n': 1", "'n': 2"),
        same="c[1] is e['k']",
        reruns={"t": "goes on holding"},
    ),
]
