"""Variables are put back however they were set, and looking whether they must be is exact."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator

import pytest

from jupyter_deployr.computenode.environment_variables import EnvironmentVariables

_libc = ctypes.CDLL(None)
_libc.getenv.restype = ctypes.c_char_p


def _in_c(name: str) -> bytes | None:
    value: bytes | None = _libc.getenv(name.encode())
    return value


CHANGES: dict[str, Callable[[], object]] = {
    "new": lambda: os.environ.update(LEAK="1"),
    "set to something else": lambda: os.environ.update(KEPT="2"),
    "set to something of another length": lambda: os.environ.update(KEPT="two"),
    "removed": lambda: os.environ.pop("KEPT"),
    "all removed": os.environ.clear,
    "one for another": lambda: (os.environ.pop("KEPT"), os.environ.update(LEAK="1")),
    "put": lambda: os.putenv("LEAK", "1"),
    "put over another": lambda: os.putenv("KEPT", "2"),
    "unset": lambda: os.unsetenv("KEPT"),
    "many": lambda: os.environ.update({f"LEAK{number}": "1" for number in range(100)}),
    "no text": lambda: os.environb.update({b"LEAK": b"\xff"}),
}


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    before = dict(os.environ)
    os.environ["KEPT"] = "1"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_undone(change: str) -> None:
    variables = EnvironmentVariables()
    before = dict(os.environ)
    for _ in range(2):
        assert not variables.changed()
        CHANGES[change]()
        assert variables.changed()
        variables.restore()
        assert dict(os.environ) == before
        assert (_in_c("KEPT"), _in_c("LEAK"), _in_c("LEAK99")) == (b"1", None, None)


def test_no_change_is_none() -> None:
    variables = EnvironmentVariables()
    assert os.environ.get("LEAK") is None
    assert not variables.changed()
