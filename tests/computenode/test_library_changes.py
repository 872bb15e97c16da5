"""What cells change of libraries and of the process is made again where a snapshot is loaded, or named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_deployr.computenode.library_changes import LibraryState
from jupyter_deployr.computenode.saving import Refused, Selection, save
from jupyter_deployr.computenode.snapshot import Snapshot
from tests.computenode.forks import Forks

# what -> (the cells, what holds before and after): an expression that is true, or statements that assert
KEPT = {
    "levels, propagation and disabling of loggers": (
        "import logging\n"
        "log=logging.getLogger('cells.a'); log.setLevel(10); log.propagate=False; "
        "logging.getLogger('cells.b').disabled=True; logging.getLogger('sklearn').setLevel(40)",
        "log.level==10 and log.propagate is False and logging.getLogger('cells.b').disabled and "
        "logging.getLogger('sklearn').level==40",
    ),
    "handlers and filters of loggers": (
        "import logging, sys, io\n"
        "log=logging.getLogger('cells.a'); h=logging.StreamHandler(sys.stderr); "
        "h.setFormatter(logging.Formatter('%(name)s|%(message)s')); log.addHandler(h); "
        "h.setLevel(20); buf=io.StringIO(); log.addHandler(logging.StreamHandler(buf)); "
        "log.setLevel(10)\n"
        "class F(logging.Filter):\n"
        "    def filter(self, r): return 'no' not in r.getMessage()\n"
        "log.addFilter(F()); log.addFilter(lambda r: True)",
        "assert log.handlers[0] is h and h.stream is sys.stderr and "
        "h.formatter._fmt=='%(name)s|%(message)s' and h.level==20 and len(log.handlers)==2\n"
        "log.info('hi'); log.info('no')\n"
        "assert buf.getvalue()=='hi\\n', buf.getvalue()",
    ),
    "a handler that writes to a file of the working directory": (
        "import logging, os\n"
        "os.makedirs('logs'); log=logging.getLogger('f'); "
        "log.addHandler(logging.FileHandler('logs/x.log', 'w')); log.warning('one')",
        "log.warning('two')\n"
        "assert open('logs/x.log').read().splitlines()[0]=='one' and "
        "open('logs/x.log').read().splitlines()[-1]=='two'\n"
        "assert log.handlers[0].baseFilename==os.path.abspath('logs/x.log')",
    ),
    "logging.basicConfig": (
        "import logging\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')",
        "logging.root.level==20 and logging.root.handlers[0].formatter._fmt=='%(message)s'",
    ),
    "a handler of a class of a cell's": (
        "import logging\n"
        "class H(logging.Handler):\n"
        "    def __init__(self): super().__init__(); self.got=[]\n"
        "    def emit(self, r): self.got.append(r.getMessage())\n"
        "h=H(); logging.getLogger('c').addHandler(h)",
        "logging.getLogger('c').warning('x')\n"
        "assert h.got==['x'] and logging.getLogger('c').handlers==[h]",
    ),
    "options of pandas": (
        "import pandas as pd\n"
        "pd.options.display.max_rows=7; pd.set_option('display.float_format', lambda x: f'<{x}>')",
        "pd.options.display.max_rows==7 and '<1.5>' in repr(pd.Series([1.5]))",
    ),
    "options of scikit-learn": (
        "import sklearn\n"
        "sklearn.set_config(transform_output='pandas')",
        "sklearn.get_config()['transform_output']=='pandas'",
    ),
    "functions and classes put on modules and classes of libraries": (
        "import json, pandas as pd, numpy as np, os.path\n"
        "n=1\n"
        "def mine(*a, **k): return n\n"
        "orig=json.dumps\n"
        "json.detect=mine; pd.DataFrame.shout=lambda self: len(self); np.linalg.mine=mine\n"
        "from sklearn.svm import SVC\n"
        "SVC.tell=mine",
        "n=5\n"
        "assert json.detect({})==5 and pd.DataFrame({'a':[1]}).shout()==1 and np.linalg.mine()==5 "
        "and SVC().tell()==5 and orig([1])=='[1]' and json.detect is mine",
    ),
    "what is made of functions, put on modules and classes of libraries": (
        "import json, math, pandas as pd, functools\n"
        "from sklearn.svm import SVC\n"
        "@functools.lru_cache(maxsize=3)\n"
        "def slow(x): return x + 1\n"
        "math.slow = slow; pd.DataFrame.rows = property(lambda self: len(self))\n"
        "pd.DataFrame.one = classmethod(lambda cls: cls({'a': [1]})); SVC.two = staticmethod(lambda: 2)\n"
        "SVC.slow = staticmethod(slow); SVC.lazy = functools.cached_property(lambda self: [3])\n"
        "SVC.lazy.__set_name__(SVC, 'lazy'); json.part = functools.partial(slow, 4)",
        "assert math.slow is slow and math.slow(1) == 2 and math.slow.cache_info().maxsize == 3\n"
        "assert pd.DataFrame.one().rows == 1 and SVC().two() == 2 and SVC().slow(2) == 3 and SVC().lazy == [3]\n"
        "assert json.part() == 5",
    ),
    "values put on modules of libraries": (
        "import math, json, time\n"
        "math.tau2 = 6; held = [1]; json.held = held; math.pi = 3; time.sleep = abs",
        "math.tau2 == 6 and json.held is held and math.pi == 3 and time.sleep is abs",
    ),
    "functions of libraries, wrapped": (
        "import json, functools\n"
        "plain = json.loads\n"
        "json.loads = functools.lru_cache(json.loads)",
        "assert json.loads is not plain and json.loads('[1]') is json.loads('[1]') and plain('[1]') == [1]",
    ),
    "numpy's print options and error handling": (
        "import numpy as np\n"
        "np.set_printoptions(precision=2, formatter={'bool': lambda b: 'yn'[not b]}); np.seterr(divide='raise')\n"
        "np.seterrcall(lambda kind, flag: None)",
        "assert np.array2string(np.array([1.23456])) == '[1.23]' and str(np.array([True])) == '[y]'\n"
        "assert callable(np.geterrcall())\n"
        "try: np.array([1.0]) / 0\n"
        "except FloatingPointError: pass\n"
        "else: assert False",
    ),
    "the context of decimal": (
        "import decimal\n"
        "decimal.getcontext().prec = 5; decimal.getcontext().traps[decimal.DivisionByZero] = False",
        "str(decimal.Decimal(1) / 3) == '0.33333' and str(decimal.Decimal(1) / 0) == 'Infinity'",
    ),
    "warning filters that were removed": (
        "import warnings\n"
        "warnings.resetwarnings()",
        "warnings.filters == []",
    ),
    "the class of loggers, and their attributes": (
        "import logging\n"
        "class L(logging.Logger):\n"
        "    def shout(self): return self.name.upper()\n"
        "logging.setLoggerClass(L); log = logging.getLogger('loud'); log.tag = [1]; tag = log.tag",
        "assert type(log) is L and log.shout() == 'LOUD' and log is logging.getLogger('loud') and log.tag is tag\n"
        "assert logging.getLoggerClass() is L and log.isEnabledFor(30) and log.parent is logging.root",
    ),
    "names of levels, what is disabled, and the factory of records": (
        "import logging\n"
        "logging.addLevelName(25, 'NOTICE'); logging.disable(30)\n"
        "def make(*a, **k):\n"
        "    r = logging.LogRecord(*a, **k); r.mark = 'm'; return r\n"
        "logging.setLogRecordFactory(make)",
        "logging.getLevelName(25) == 'NOTICE' and logging.getLevelName('NOTICE') == 25 and "
        "logging.root.manager.disable == 30 and "
        "logging.root.makeRecord('n', 40, 'f', 1, 'text', (), None).mark == 'm'",
    ),
    "variables that an import has set": (
        "import sys\n"
        "open('sets.py', 'w').write(\"import os; os.environ['SETS_A'] = '1'; os.environ.update(SETS_B='2')\")\n"
        "import sets",
        "import os\n"
        "assert (os.environ['SETS_A'], os.environ['SETS_B']) == ('1', '2')",
    ),
    "warning filters": (
        "import warnings\n"
        "class W(UserWarning): pass\n"
        "warnings.filterwarnings('error', category=W); warnings.filterwarnings('ignore', "
        "message='foo')",
        "try: warnings.warn('x', W)\n"
        "except W: pass\n"
        "else: assert False\n"
        "warnings.warn('foo bar')",
    ),
}  # fmt: skip

# name -> (cells, type, words of the reason)
NAMED = {
    "os.environ['MY_KEY']": ("import os\nos.environ['MY_KEY'] = '1'", "EnvironmentVariable", "not saved"),
    "os.environ['BY_CALL']": (
        "open('sets.py', 'w').write(\"import os\\ndef go(v): os.environ['BY_CALL'] = v\\ngo('1')\")\n"
        "import sets; sets.go('2')", "EnvironmentVariable", "not saved"),
    "json.guard": (
        "import json, threading\njson.guard = threading.Lock()", "Change", "a lock"),
    "numpy.random": (
        "import numpy as np\nclass Mine(np.random.PCG64): pass\nnp.random.set_bit_generator(Mine(1)); del Mine",
        "BitGenerator", "one of numpy's own"),
    "the current directory": (
        "import os\nos.makedirs('sub'); os.chdir('sub')", "CurrentDirectory", "give paths from there"),
    "logger s: handler 1": (
        "import logging.handlers, queue\nlog = logging.getLogger('s')\n"
        "log.addHandler(logging.handlers.QueueHandler(queue.Queue()))", "Change", "keep its items"),
    "logger t: handler 1": (
        "import logging\nlogging.getLogger('t').addHandler(logging.FileHandler('../out.log'))", "Change",
        "outside the working directory"),
    "pandas option display.float_format": (
        "import pandas as pd\ndef shown(x, numbers=(i for i in ())): return str(x)\n"
        "pd.options.display.float_format = shown; del shown", "Change", "list(...)"),
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_made_again(forks: Forks, tmp_path: Path, what: str) -> None:
    code, check = KEPT[what]
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)


@pytest.mark.parametrize("name", NAMED)
def test_named(forks: Forks, tmp_path: Path, name: str) -> None:
    code, kind, reason = NAMED[name]
    (item,) = forks.save(tmp_path, f"{code}\nkept = 1")
    assert (item.name, item.type) == (name, kind)
    assert reason in item.reason
    forks.load(tmp_path, "kept == 1")


def test_loading_twice_adds_no_second_handler(forks: Forks, tmp_path: Path) -> None:
    code = "import logging\nlogging.getLogger('twice').addHandler(logging.StreamHandler())"
    assert forks.save(tmp_path, code) == []
    check = (
        "import pathlib\nfrom jupyter_deployr.computenode.snapshot import Snapshot\n"
        f"Snapshot(pathlib.Path({str(tmp_path / 'snapshot')!r})).load_into(globals())\n"
        "assert len(logging.getLogger('twice').handlers) == 1"
    )
    forks.load(tmp_path, check)


def test_strict_can_do_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = LibraryState()
    monkeypatch.setenv("SOMETHING_NEW", "1")
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    workspace = {"x": 1, "y": 2}
    changes = before.changes(workspace, tmp_path)
    assert list(changes) == ["os.environ['SOMETHING_NEW']"]
    with pytest.raises(Refused, match="SOMETHING_NEW"):
        save(tmp_path / "strict", workspace, list(workspace), work, selection=Selection(strict=True), changes=changes)
    for selection in (Selection(strict=True, drop=list(changes)), Selection(strict=True, only=["x", "y"])):
        save(tmp_path / "strict", workspace, list(workspace), work, selection=selection, changes=changes)
        snapshot = Snapshot(tmp_path / "strict")
        assert ([saved.name for saved in snapshot.names], snapshot.changes) == (["x", "y"], [])
