"""What a call may change about its process and the next call must not see.

Undone: the working directory, the environment, the random states of `random` and numpy, warning filters, the locale,
the umask, signal handlers and the interval timer, `sys.path`, `sys.argv` and `sys.stdin`. Each is looked at after every
call in a fraction of a microsecond, and put back only where it differs.
"""

from __future__ import annotations

# The modules below `locale` and `signal`: theirs convert and wrap, at ten times the cost.
import _locale
import _signal  # type: ignore[import-not-found]
import contextlib
import ctypes
import locale
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_SIGNALS = tuple(
    int(number)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGALRM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCHLD,
        signal.SIGPIPE,
    )
)
_MERSENNE_WORDS = 624


class ProcessState:
    """Remembers the state as it is when it is made; `restore` puts it back."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._environment = dict(os.environ)
        # Comparing os.environ itself decodes every variable each time.
        self._variables: Any = os.environ._data  # type: ignore[attr-defined]
        self._variables_before = dict(self._variables)
        self._warnings = list(warnings.filters)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._signals = list(map(_signal.getsignal, _SIGNALS))
        self._path = list(sys.path)
        self._argv = list(sys.argv)
        self._stdin = sys.stdin
        self._random_changed = _watch_random()
        self._random = random.getstate()
        self._numpy_changed = _watch_numpy()
        self._numpy = np.random.get_state()

    def restore(self) -> bool:
        """Undo what the last call did to the process; returns whether it was in its directory still."""
        if self._variables != self._variables_before:
            os.environ.clear()
            os.environ.update(self._environment)
        stayed = self._in_directory()
        if not stayed:
            with contextlib.suppress(OSError):
                os.chdir(self._directory)
        if warnings.filters != self._warnings:
            warnings.filters[:] = self._warnings  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if _locale.setlocale(locale.LC_ALL, None) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        os.umask(self._umask)
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        if list(map(_signal.getsignal, _SIGNALS)) != self._signals:
            for number, handler in zip(_SIGNALS, self._signals, strict=True):
                _signal.signal(number, handler)
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.argv != self._argv:
            sys.argv[:] = self._argv
        if sys.stdin is not self._stdin:
            sys.stdin = self._stdin
        if self._random_changed():
            random.setstate(self._random)
        if self._numpy_changed():
            np.random.set_state(self._numpy)
        return stayed

    def _in_directory(self) -> bool:
        try:
            return os.getcwd() == self._directory  # noqa: PTH109 - on every call
        except FileNotFoundError:
            return False


def _watch_random() -> Callable[[], bool]:
    """Whether `random`'s global generator has moved.

    Each draw moves its position in its words, and each new set of words has another first one, so these two are looked
    at in memory: copying the whole state would cost ten times as much. Where the memory isn't laid out as known, the
    state is compared.
    """
    generator: Any = random._inst
    state = random.getstate()
    address = id(generator) + object.__basicsize__
    position, first = ctypes.c_int32.from_address(address), ctypes.c_uint32.from_address(address + 4)
    if (first.value, position.value) != (state[1][0], state[1][-1]):
        return lambda: random.getstate() != state
    before = position.value, first.value, generator.gauss_next
    return lambda: (position.value, first.value, generator.gauss_next) != before


def _watch_numpy() -> Callable[[], bool]:
    """Whether numpy's global generator has moved, looked at as `random`'s is."""
    bits = np.random.mtrand._rand._bit_generator
    legacy: Any = np.random.get_state()
    if type(bits).__name__ != "MT19937" or legacy[3]:
        # With a normal number in stock, drawing it changes nothing in the generator's memory.
        return lambda: True
    address = bits.ctypes.state_address
    first = ctypes.c_uint32.from_address(address)
    position = ctypes.c_int32.from_address(address + _MERSENNE_WORDS * 4)
    before = position.value, first.value
    return lambda: (position.value, first.value) != before
