"""Data comes back from a snapshot in another process as it was: values, containers, arrays, frames, estimators."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.computenode.forks import Forks

# what -> (the cells, what holds before and after): an expression that is true, or statements that assert
VALUES = {
    "plain values": ("x = [1, 2.5, None, 'é', b'1', {1: (2, {3})}]", "x == [1, 2.5, None, 'é', b'1', {1: (2, {3})}]"),
    "names that share an object": ("a = [1]; b = {'a': a}; c = b", "b['a'] is a and c is b"),
    "containers that hold themselves": (
        "a = [1]; a.append(a); d = {}; d['d'] = d; t = ([],); t[0].append(t); o = {'x': [d, a]}",
        "a[1] is a and d['d'] is d and t[0][0] is t and o['x'][0] is d",
    ),
    "odd values": (
        "from decimal import Decimal as D\nfrom fractions import Fraction as F\n"
        "import uuid, pathlib, datetime as dt, zoneinfo\n"
        "odd = [..., NotImplemented, range(3, 9, 2), slice(1, None, 2), 1 + 2j, D('1.10'), F(1, 3), "
        "float('-inf'), -0.0,"
        " uuid.UUID(int=5), pathlib.Path('a/b'), pathlib.PureWindowsPath('a'), frozenset({1}), 10**40, '\\ud800', "
        "True]\n"
        "times = [dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')), "
        "dt.date(2024, 1, 1),"
        " dt.timedelta(1, 2), dt.time(1, 2), dt.timezone.utc]",
        "assert odd[0] is ... and odd[1] is NotImplemented\n"
        "assert list(map(repr, odd[2:-3])) == ['range(3, 9, 2)', 'slice(1, None, 2)', '(1+2j)', \"Decimal('1.10')\","
        " 'Fraction(1, 3)', '-inf', '-0.0', \"UUID('00000000-0000-0000-0000-000000000005')\", \"PosixPath('a/b')\","
        " \"PureWindowsPath('a')\", 'frozenset({1})'] and odd[-3:] == [10**40, '\\ud800', True]\n"
        "assert times[0].utcoffset() == dt.timedelta(hours=1) and times[0].fold == 1 and times[0].tzinfo.key == "
        "'Europe/Berlin'\n"
        "assert times[1:] == [dt.date(2024, 1, 1), dt.timedelta(1, 2), dt.time(1, 2), dt.timezone.utc] and "
        "times[4] is dt.timezone.utc",
    ),
    "containers of collections": (
        "import collections as c\nd = c.deque([1, 2], maxlen=2); n = c.Counter('aab'); o = c.OrderedDict(b=1, a=2)\n"
        "o.move_to_end('b'); m = c.ChainMap({'a': 1}, o); u = c.UserDict(a=1)",
        "d.append(3)\nassert list(d) == [2, 3] and n['a'] == 2 and list(o) == ['a', 'b'] and m['b'] == 1 and "
        "m.maps[1] is o\n"
        "assert u == {'a': 1} and isinstance(o, c.OrderedDict)",
    ),
    "a defaultdict whose factory is a cell's": (
        "import collections\nn = 1\ndef make(): return [n]\nd = collections.defaultdict(make)",
        "n = 5\nassert d['x'] == [5] and d.default_factory is make",
    ),
    "views of a dict": (
        "d = {'a': 1}; k = d.keys(); v = d.values(); i = d.items()",
        "d['b'] = 2\nassert list(k) == ['a', 'b'] and list(v) == [1, 2] and ('b', 2) in i and type(k) is "
        "type({}.keys())",
    ),
    "mapping proxies": (
        "import types\nd = {'a': 1}; p = types.MappingProxyType(d)",
        "d['b'] = 2\nassert dict(p) == {'a': 1, 'b': 2} and type(p) is types.MappingProxyType",
    ),
    "bytes that change": (
        "b = bytearray(b'abc'); m = memoryview(b); big = bytearray(200_000); w = memoryview(b'xy')",
        "m[0] = 120\nassert b == b'xbc' and len(big) == 200_000 and w.readonly and bytes(w) == b'xy'",
    ),
    "iterators half-way": (
        "i = iter([1, 2, 3]); next(i); r = iter(range(3)); next(r); import itertools; c = itertools.count(5)",
        "list(i) == [2, 3] and list(r) == [1, 2] and next(c) == 5",
    ),
    "files in memory": (
        "import io\nt = io.StringIO('abc'); t.read(1); b = io.BytesIO(b'xyz'); b.read(2)",
        "t.read() == 'bc' and b.read() == b'z'",
    ),
    "standard streams": ("import sys\nout = sys.stdout; err = [sys.stderr]", "out is sys.stdout and err[0] is "
    "sys.stderr"),
    "what a process has one of": (
        "import sys, os\npath = sys.path; loaded = sys.modules; env = os.environ",
        "path is sys.path and loaded is sys.modules and env is os.environ",
    ),
    "weak references": (
        "import weakref\nclass C: pass\nc = C(); r = weakref.ref(c); w = weakref.WeakValueDictionary(a=c)\n"
        "k = weakref.WeakKeyDictionary({c: 1}); s = weakref.WeakSet([c]); dead = weakref.ref(C())",
        "assert r() is c and w['a'] is c and k[c] == 1 and c in s and dead() is None\ndel c\nimport gc; gc.collect()\n"
        "assert r() is None and not w and not k and not s",
    ),
    "weak references that call back": (
        "import weakref\ngone = []\nclass C: pass\nc = C(); r = weakref.ref(c, gone.append)",
        "del c\nimport gc; gc.collect()\nassert gone == [r]",
    ),
    "simple namespaces": ("import types\nn = types.SimpleNamespace(a=1); n.me = n", "n.me is n and n.a == 1"),
    "regular expressions": ("import re\np = re.compile(r'(?P<n>\\d+)', re.I)", "p.match('12x')['n'] == '12' and "
    "p.flags & re.I"),
    "loggers": (
        "import logging\nlog = logging.getLogger('cells.log'); root = logging.getLogger()\n"
        "adapted = logging.LoggerAdapter(log, {'a': 1})",
        "log is logging.getLogger('cells.log') and root is logging.getLogger() and adapted.logger is log"
        " and adapted.extra == {'a': 1}",
    ),
    "module aliases": (
        "import numpy as np, os.path, xml.dom.minidom, importlib.metadata as md\nfrom sklearn import svm as s",
        "np.arange(2).sum() == 1 and os.path.join('a', 'b') == 'a/b' and md.version('numpy') and s.SVC"
        " and xml.dom.minidom.parseString('<a/>').documentElement.tagName == 'a'",
    ),
    "a module made by hand": (
        "import types, sys\nm = types.ModuleType('made'); m.n = 1\n"
        "exec('def f(): return n\\nclass C:\\n    def g(self): return n', vars(m))\n"
        "f = m.f; c = m.C(); r = types.ModuleType('known'); sys.modules['known'] = r; r.x = 2",
        "m.n = 5\nassert f() == 5 and m.f is f and c.g() == 5 and f.__globals__ is vars(m)\nimport known\n"
        "assert known is r and known.x == 2",
    ),
    "context objects of libraries": ("import decimal\nc = decimal.Context(prec=3)", "c.divide(1, 3) == "
    "decimal.Decimal('0.333')"),
    "jupyter's display objects": ("from IPython.display import HTML\nh = HTML('<b>')", "h.data == '<b>'"),
}  # fmt: skip

ARRAYS = {
    "large arrays": (
        "import numpy as np\nbig = np.arange(1_000_000.0).reshape(1000, 1000); same = big",
        "big.sum() == 499999500000 and big.flags.writeable and big.shape == (1000, 1000) and same is big",
    ),
    "large arrays that are not contiguous": (
        "import numpy as np\nbig = np.arange(1_000_000.0).reshape(1000, 1000); part = big[::2, ::3]; turned = big.T\n"
        "cube = np.arange(60_000).reshape(30, 40, 50).transpose(1, 0, 2); fixed = big[:, 1:]; "
        "fixed.flags.writeable = False",
        "assert part.shape == (500, 334) and part[1, 1] == 2003 and turned[1, 0] == 1 and turned.flags.f_contiguous\n"
        "assert cube.shape == (40, 30, 50) and cube[1, 2, 3] == 2 * 2000 + 50 + 3 and not fixed.flags.writeable\n"
        "assert fixed[0, 0] == 1\npart[0, 0] = 7\nassert part[0, 0] == 7",
    ),
    "read-only arrays": ("import numpy as np\nr = np.ones(100_000); r.flags.writeable = "
    "False", "not r.flags.writeable"),
    "small and odd arrays": (
        "import numpy as np\ns = [np.array(3), np.empty((0, 3)), np.array(['a', None], object), np.ones((3, 2)).T,"
        " np.array(['x', 'yy']), np.array([1], '>i4'), np.array(b'ab'), np.array([True])]",
        "[a.shape for a in s] == [(), (0, 3), (2,), (2, 3), (2,), (1,), (), (1,)] and s[5].dtype.str == '>i4'"
        " and s[2].tolist() == ['a', None] and s[3].flags.f_contiguous",
    ),
    "structured arrays": (
        "import numpy as np\na = np.zeros(3, [('x', 'f8'), ('y', 'U3')]); a['y'] = 'abc'; r = np.rec.array([(1, "
        "2.5)], names='a,b')\n"
        "big = np.rec.array(np.zeros(20_000, [('x', 'f8')]))",
        "a['y'].tolist() == ['abc'] * 3 and r.b[0] == 2.5 and type(big) is np.recarray and big.x.sum() == 0 and "
        "len(big) == 20_000",
    ),
    "dates": (
        "import numpy as np\nd = np.array(['2024-01-02', 'NaT'], 'M8[D]'); t = np.timedelta64(3, 'h'); big = "
        "np.full(20_000, d[0])",
        "str(d[0]) == '2024-01-02' and np.isnat(d[1]) and t == np.timedelta64(180, 'm') and big.dtype == 'M8[D]' "
        "and big[-1] == d[0]",
    ),
    "masked arrays": (
        "import numpy as np\nm = np.ma.array([1, 2, 3], mask=[0, 1, 0], fill_value=9, hard_mask=True); n = "
        "np.ma.array([1.0])\n"
        "big = np.ma.masked_less(np.arange(100_000), 10); one = np.ma.masked",
        "m.sum() == 4 and m.filled().tolist() == [1, 9, 3] and m.hardmask and n.mask is np.ma.nomask and big[9] "
        "is np.ma.masked"
        " and big.count() == 99_990 and one is np.ma.masked",
    ),
    "arrays of a cell's objects": (
        "import numpy as np\nclass C: pass\nc = C(); a = np.array([c, [c], None], object)",
        "a[0] is c and a[1][0] is c and type(a[0]) is C",
    ),
    "an array that holds itself": ("import numpy as np\na = np.empty(1, object); a[0] = a", "a[0] is a"),
    "matrices": ("import numpy as np\nm = np.matrix(np.eye(100))", "type(m) is np.matrix and (m * m).sum() == 100"),
    "mapped files": (
        "import numpy as np\nnp.arange(50_000.0).tofile('f.bin'); m = np.memmap('f.bin', mode='r')[1:]",
        "m.shape == (399_999,) and not m.flags.writeable and m.view('u1')[7] == 0",
    ),
    "numbers of numpy": ("import numpy as np\nx = [np.float32(1.5), np.int8(-1), np.bool_(True), "
    "np.str_('a')]", "list(map(repr, x)) == ['np.float32(1.5)', 'np.int8(-1)', 'np.True_', \"np.str_('a')\"]"),
    "types of numpy": ("import numpy as np\nt = [np.float32, np.dtype('i4'), np.dtype([('a', "
    "'f8')])]", "t == [np.float32, np.dtype('i4'), np.dtype([('a', 'f8')])]"),
    "generators of random numbers": (
        "import numpy as np, random\ng = np.random.default_rng(3); s = np.random.RandomState(4); r = random.Random(5)\n"
        "g.random(); s.rand(); r.random(); same = g\n"
        "expected = [np.random.default_rng(3).random(2)[1], np.random.RandomState(4).rand(2)[1], [x := "
        "random.Random(5), x.random(), x.random()][2]]",
        "[g.random(), s.rand(), r.random()] == expected and same is g",
    ),
    "polynomials and functions of numpy": (
        "import numpy as np\np = np.poly1d([1, 0, 2]); v = np.vectorize(lambda x: x + 1); P = "
        "np.polynomial.Polynomial([1, 2])",
        "p(3) == 11 and v([1, 2]).tolist() == [2, 3] and P(2) == 5",
    ),
    "sparse matrices": (
        "import scipy.sparse as sp\nm = sp.random(50, 50, 0.1, 'csr', random_state=1); e = "
        "sp.eye_array(3).tocoo(); total = m.sum()",
        "m.sum() == total and m.format == 'csr' and (e @ e).sum() == 3",
    ),
}  # fmt: skip

FRAMES = {
    "frames": (
        "import pandas as pd\nf = pd.DataFrame({'a': [1, 2], 'c': pd.Categorical(['x', 'y'], ['y', 'x'], ordered=True),"
        " 'd': pd.date_range('2024-01-01', periods=2, tz='Europe/Berlin'), 'n': pd.array([1, None], dtype='Int64'),"
        " 's': pd.array(['u', None], dtype='string'), 'b': pd.array([True, None], dtype='boolean')}); copy = f.copy()",
        "pd.testing.assert_frame_equal(f, copy)\nassert f.c.max() == 'x' and f.c.cat.ordered and "
        "f.n.isna().tolist() == [False, True]\n"
        "assert str(f.d.dt.tz) == 'Europe/Berlin' and f.d[0].utcoffset().total_seconds() == 3600\n"
        "assert list(f.dtypes.astype(str))[3:] == ['Int64', 'string', 'boolean']\nf.loc[0, 'a'] = 9\n"
        "assert f.a.tolist() == [9, 2]",
    ),
    "frames with indexes of many kinds": (
        "import pandas as pd\nm = pd.DataFrame({'x': range(4)}, index=pd.MultiIndex.from_product([['a', 'b'], [1, "
        "2]], names=['k', 'n']))\n"
        "p = pd.Series(range(3), pd.period_range('2024-01', periods=3, freq='M')); i = pd.cut([1, 5], [0, 2, 9])\n"
        "r = pd.Series([1.5], index=pd.RangeIndex(5, 6), name='r'); t = pd.Series(pd.to_timedelta([1], "
        "unit='D')); d = pd.interval_range(0, 3)",
        "m.loc[('b', 1), 'x'] == 2 and m.index.names == ['k', 'n'] and p['2024-02'] == 1 and i[0] == pd.Interval(0, 2)"
        " and r.loc[5] == 1.5 and r.name == 'r' and t[0].days == 1 and 1.5 in d[1]",
    ),
    "frames of objects and large frames": (
        "import pandas as pd, numpy as np\nclass C: pass\nc = C(); o = pd.DataFrame({'o': [c, [c]]})\n"
        "big = pd.DataFrame(np.arange(400_000.0).reshape(100_000, 4), columns=list('abcd')); part = "
        "big.iloc[::2]; total = part.sum().sum()",
        "o.o[0] is c and o.o[1][0] is c and part.sum().sum() == total and big.shape == (100_000, 4)",
    ),
    "attributes of a frame": (
        "import pandas as pd\nshared = [1]; f = pd.DataFrame({'a': [1]}); f.attrs['s'] = shared; names = [f, f]",
        "f.attrs['s'] is shared and names[0] is names[1] is f",
    ),
    "what pandas has one of": ("import pandas as pd\nx = [pd.NA, pd.NaT, pd.Timestamp(0, "
    "tz='UTC')]", "x[0] is pd.NA and x[1] is pd.NaT and x[2].tz is not None"),
    "groups and offsets": (
        "import pandas as pd\ng = pd.DataFrame({'k': [1, 1, 2], 'v': [1, 2, 3]}).groupby('k'); o = "
        "pd.offsets.BusinessDay(2)",
        "g.v.sum().tolist() == [3, 3] and pd.Timestamp('2024-01-05') + o == pd.Timestamp('2024-01-09')",
    ),
}  # fmt: skip

_IRIS = "from sklearn.datasets import load_iris\niris = load_iris(); X, y = iris.data, iris.target\n"
ESTIMATORS = {
    "pipelines": (
        f"{_IRIS}from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n"
        f"from sklearn.svm import SVC\n"
        "scale = StandardScaler(); model = make_pipeline(scale, SVC()).fit(X, y)",
        "model.score(X, y) > 0.9 and model[0] is scale and iris.data is X",
    ),
    "columns, with a cell's function": (
        "import numpy as np, pandas as pd\nfrom sklearn.compose import ColumnTransformer\n"
        "from sklearn.preprocessing import FunctionTransformer, OneHotEncoder\nfactor = 2\n"
        "def scaled(x): return np.asarray(x) * factor\n"
        "f = pd.DataFrame({'n': [1.0, 2.0], 'c': ['a', 'b']})\n"
        "t = ColumnTransformer([('n', FunctionTransformer(scaled), ['n']), ('c', OneHotEncoder(), ['c'])]).fit(f)",
        "factor = 10\nassert np.asarray(t.transform(f)).tolist() == [[10, 1, 0], [20, 0, 1]]",
    ),
    "a fitted search": (
        f"{_IRIS}from sklearn.model_selection import GridSearchCV\n"
        f"from sklearn.linear_model import LogisticRegression\n"
        "def score(e, X, y): return e.score(X, y)\n"
        "search = GridSearchCV(LogisticRegression(max_iter=500), {'C': [0.1, 1]}, cv=2, scoring=score).fit(X, y)",
        "search.predict(X[:1]).tolist() == [0] and search.best_params_['C'] in (0.1, 1) and search.scoring is score",
    ),
    "ensembles": (
        f"{_IRIS}from sklearn.ensemble import RandomForestClassifier, GradientBoostingClassifier, VotingClassifier\n"
        "forest = RandomForestClassifier(5, random_state=0).fit(X, y); boost = "
        "GradientBoostingClassifier(n_estimators=2).fit(X, y)\n"
        "vote = VotingClassifier([('f', forest)]).fit(X, y); expected = forest.predict_proba(X).tolist()",
        "forest.predict_proba(X).tolist() == expected and boost.score(X, y) > 0.8 and vote.score(X, y) > 0.9",
    ),
    "a metric of a cell": (
        f"{_IRIS}from sklearn.neighbors import KNeighborsClassifier\nimport numpy as np\npower = 1\n"
        "def distance(a, b): return np.abs(a - b).sum() ** power\n"
        "k = KNeighborsClassifier(1, metric=distance).fit(X[::10], y[::10])",
        "k.predict(X[:1]).tolist() == [0]",
    ),
}  # fmt: skip

KEPT = {**VALUES, **ARRAYS, **FRAMES, **ESTIMATORS}


@pytest.mark.parametrize("what", KEPT)
def test_kept(forks: Forks, tmp_path: Path, what: str) -> None:
    code, check = KEPT[what]
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)
