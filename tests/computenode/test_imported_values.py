"""Values that cells import by name are the module's own after loading too, with the contents that they had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.computenode.forks import Forks

MODULE = """
class _U:
    def __repr__(self): return 'UNSET'
class Settings:
    def __init__(self): self.n = 1; self.me = self
UNSET = _U()
SETTINGS = {'a': 1}
NAMES = ['a']
SEEN = {1}
settings = Settings()
def is_unset(x=UNSET): return x is UNSET
def get(key): return SETTINGS[key]
def everything(): return SETTINGS, NAMES, SEEN, settings
"""

# what -> (cells, what holds before and after)
VALUES = {
    "a marker": ("from conf import UNSET, is_unset", "is_unset(UNSET) and is_unset()"),
    "a marker in something that was defined before": (
        "import conf\nheld = [conf.UNSET]\nfrom conf import UNSET, is_unset", "is_unset(held[0])"),
    "a dict that was changed": (
        "from conf import SETTINGS, get\nSETTINGS['b'] = 2; del SETTINGS['a']",
        "SETTINGS['c'] = 3\nassert get('b') == 2 and get('c') == 3 and 'a' not in SETTINGS"),
    "all kinds": (
        "from conf import *\nNAMES.append(SETTINGS); SEEN.add(2); settings.n = 7; settings.made = SEEN\n"
        "del SETTINGS['a']",
        "assert all(one is other for one, other in zip(everything(), (SETTINGS, NAMES, SEEN, settings)))\n"
        "assert NAMES == ['a', {}] and NAMES[1] is SETTINGS and SEEN == {1, 2}\n"
        "assert settings.n == 7 and settings.me is settings and settings.made is SEEN"),
    "what other names refer to": (
        "holds = []\nfrom conf import SETTINGS as mine, get\nholds.append(mine); again = mine",
        "again['x'] = 1\nassert holds[0] is mine is again and get('x') == 1"),
    "a list that the cell has put there": (
        "import conf\nown = [1]; conf.own = own", "assert own == [1] and conf.own is own"),
    "something else in the place of a dict": (
        "import conf\nfrom conf import get\nconf.SETTINGS = own = [5]", "assert get(0) == 5 and conf.SETTINGS is own"),
    "of a package": (
        "from pack.inner import THINGS\nimport pack.inner as inner\nTHINGS.append(1)", "THINGS is inner.THINGS == [1]"),
    "of a library": ("from dataclasses import KW_ONLY\nimport dataclasses", "KW_ONLY is dataclasses.KW_ONLY"),
}  # fmt: skip


@pytest.mark.parametrize("what", VALUES)
def test_imported_values(forks: Forks, tmp_path: Path, what: str) -> None:
    work = tmp_path / "work"
    (work / "pack").mkdir(parents=True)
    (work / "conf.py").write_text(MODULE)
    (work / "pack" / "__init__.py").write_text("")
    (work / "pack" / "inner.py").write_text("THINGS = []")
    code, check = VALUES[what]
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)


def test_one_with_a_lock_is_named_and_what_else_is_imported_is_kept(forks: Forks, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "conf.py").write_text(MODULE)
    code = (
        "import threading\nfrom conf import SETTINGS, NAMES, get\nSETTINGS['lock'] = threading.Lock(); NAMES.append(1)"
    )
    assert [item.name for item in forks.save(tmp_path, code)] == ["SETTINGS"]
    forks.load(tmp_path, "NAMES == ['a', 1] and get('a') == 1")
