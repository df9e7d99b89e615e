"""Arrays, frames and matrices that a task makes, and what a plain cell does with them afterwards."""

from __future__ import annotations

from tests.fidelity.rows.values import NUMPY, PANDAS, value

ROWS = [
    value(
        "a structured array",
        "np.array([(1, 2.5, 'a')], [('n', 'i4'), ('x', 'f8'), ('s', 'U3')])",
        setup=NUMPY,
        after="t['n'] += 1",
    ),
    value("a record array", "np.rec.array([(1, 2.5)], names='n,x')", "t.n", setup=NUMPY, after="t.n += 1"),
    value(
        "a masked array",
        "np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-1)",
        "t.sum()",
        "t.fill_value",
        setup=NUMPY,
        after="t[0] = np.ma.masked",
    ),
    value("an array with gaps", "np.arange(12).reshape(3, 4)[:, ::2]", setup=NUMPY, after="t += 1"),
    value("an array of no elements", "np.zeros((0, 3), 'f4')", setup=NUMPY),
    value("an array of no dimensions", "np.array(5.0)", setup=NUMPY, after="t += 1"),
    value("a broadcast array", "np.broadcast_to(np.arange(3), (4, 3))", "t.sum()", setup=NUMPY),
    value("an array that cannot be written", "np.arange(3)", "t.flags.writeable", setup=NUMPY, after="u = t + 1"),
    value(
        "a read-only array",
        "frozen()",
        "t.flags.writeable",
        setup=NUMPY + "\ndef frozen():\n    x = np.arange(3)\n    x.flags.writeable = False\n    return x",
    ),
    value(
        "an array of texts, times, objects",
        "[np.array(['a', 'bb']), np.array(['2020', 'NaT'], 'M8[D]'), np.array([[1], None], object)]",
        setup=NUMPY,
    ),
    value(
        "an array's subclass with an attribute",
        "make()",
        "t.unit",
        setup=NUMPY
        + "\nclass Q(np.ndarray):\n    unit = None\ndef make():\n    x = np.arange(3).view(Q)\n    x.unit = 'kg'\n    return x",
        after="u = type(t + 1).__name__",
    ),
    value(
        "a large array and its view",
        "[x, x[::3]]",
        "np.shares_memory(*t)",
        setup=NUMPY + "\nx = np.zeros(100_000)",
        after="t[1][:] = 1\nu = x.sum()",
    ),
    value(
        "a memory-mapped file",
        "np.load('a.npy', mmap_mode='r')",
        "int(t.sum())",
        setup=NUMPY + "\nnp.save('a.npy', np.arange(1000))",
        ignore=("t",),
        reruns={"t": "has changed since"},
    ),
    value(
        "a sparse matrix",
        "sp.random(20, 20, 0.2, 'csr', random_state=1)",
        "t.sum()",
        setup="import scipy.sparse as sp",
        ignore=("t",),
        after="u = (t @ t).sum()",
    ),
    value(
        "a sparse matrix, changed in place",
        "sp.lil_matrix((3, 3))",
        "t.toarray().tolist()",
        setup="import scipy.sparse as sp",
        ignore=("t",),
        after="t[0, 1] = 5",
    ),
    value(
        "a categorical",
        "pd.Categorical(['a', None, 'b'], ['b', 'a', 'c'], ordered=True)",
        "t.codes.tolist()",
        "list(t.categories)",
        setup=PANDAS,
    ),
    value(
        "a MultiIndex",
        "pd.DataFrame({'v': range(4)}, index=pd.MultiIndex.from_product([['a', 'b'], [1, 2]], names=['k', None]))",
        "t.loc['a'].sum().v",
        setup=PANDAS,
        after="u = t.xs(1, level=1)",
    ),
    value(
        "columns of a MultiIndex",
        "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 1), ('a', 2)]))",
        "t['a'].columns.tolist()",
        setup=PANDAS,
    ),
    value("two columns of one name", "pd.DataFrame([[1, 2]], columns=['a', 'a'])", setup=PANDAS),
    value(
        "nullable columns",
        "pd.DataFrame({'i': pd.array([1, None], 'Int64'), 'b': pd.array([True, None]), 's': pd.array(['a', None], 'string')})",
        setup=PANDAS,
    ),
    value(
        "times with a zone",
        "pd.DataFrame({'d': pd.date_range('2020-03-28', periods=3, tz='Europe/Berlin')})",
        "t.d.dt.hour.tolist()",
        setup=PANDAS,
        after="u = t.d + pd.Timedelta('1D')",
    ),
    value(
        "a datetime with a zone",
        "datetime.datetime(2020, 3, 29, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
        "t.utcoffset()",
        setup="import datetime, zoneinfo",
        after="u = t + datetime.timedelta(hours=2)",
    ),
    value(
        "periods and intervals",
        "[pd.Period('2020-01', 'M'), pd.Interval(0, 1), pd.NaT, pd.NA]",
        "t[2] is pd.NaT",
        "t[3] is pd.NA",
        setup=PANDAS,
    ),
    value(
        "a frame with an object column",
        "pd.DataFrame({'o': [[1], {'a': 2}, None]})",
        setup=PANDAS,
        after="t.o[0].append(2)",
    ),
    value(
        "a frame's column that another frame has",
        "[df, df[['a']]]",
        setup=PANDAS + "\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})",
        after="df.loc[0, 'a'] = 9\nu = t[1]['a'].tolist()",
    ),
    value(
        "a group-by, kept",
        "df.groupby('a')",
        "t.sum().b.tolist()",
        setup=PANDAS + "\ndf = pd.DataFrame({'a': [1, 1, 2], 'b': [3, 4, 5]})",
        ignore=("t",),
    ),
]
