"""What a call may change about its process and the next call must not see.

Undone: the working directory, the environment, the random states of `random` and numpy, warning filters, the locale,
the umask, signal handlers and the interval timer, `sys.path`, `sys.argv`, `sys.stdin` and numpy's error settings. Each
is looked at after every call in a fraction of a microsecond, and put back only where it differs.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal's own functions wrap answers in enums: ten times slower
import ctypes
import locale
import os
import random
import signal
import struct
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
_MERSENNE = struct.Struct("<i624I")


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
        self._signals = [_signal.getsignal(number) for number in _SIGNALS]
        self._path = list(sys.path)
        self._argv = list(sys.argv)
        self._stdin = sys.stdin
        self._numpy_errors = np.geterr()
        self._random_changed = _watch_random()
        self._random = random.getstate()
        self._numpy_changed = _watch_numpy()
        self._numpy = np.random.get_state()

    def restore(self) -> None:
        """Undo what the last call did to the process."""
        if self._variables != self._variables_before:
            os.environ.clear()
            os.environ.update(self._environment)
        if not self._in_directory():
            os.chdir(self._directory)
        if warnings.filters != self._warnings:
            warnings.filters[:] = self._warnings  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        os.umask(self._umask)
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        if [_signal.getsignal(number) for number in _SIGNALS] != self._signals:
            for number, handler in zip(_SIGNALS, self._signals, strict=True):
                _signal.signal(number, handler)
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.argv != self._argv:
            sys.argv[:] = self._argv
        if sys.stdin is not self._stdin:
            sys.stdin = self._stdin
        if np.geterr() != self._numpy_errors:
            np.seterr(**self._numpy_errors)
        if self._random_changed():
            random.setstate(self._random)
        if self._numpy_changed():
            np.random.set_state(self._numpy)

    def _in_directory(self) -> bool:
        try:
            return os.getcwd() == self._directory  # noqa: PTH109 - on every call
        except FileNotFoundError:
            return False


def _watch_random() -> Callable[[], bool]:
    """Whether `random`'s global generator has moved: a comparison of its memory, which copying its state would cost
    ten times as much; where the memory isn't laid out as known, its state is compared."""
    generator: Any = random._inst
    state = random.getstate()
    memory = (ctypes.c_char * _MERSENNE.size).from_address(id(generator) + object.__basicsize__)
    position, *words = _MERSENNE.unpack(memory.raw)
    if (*words, position) != state[1]:
        return lambda: random.getstate() != state
    before, gauss = memory.raw, generator.gauss_next
    return lambda: memory.raw != before or generator.gauss_next != gauss


def _watch_numpy() -> Callable[[], bool]:
    """Whether numpy's global generator has moved, or has been replaced."""
    generator = np.random.mtrand._rand
    bits = generator._bit_generator
    legacy: Any = np.random.get_state()
    if type(bits).__name__ != "MT19937" or legacy[3]:
        # With a normal number in stock, drawing it changes nothing in the generator's memory.
        return lambda: True
    memory = (ctypes.c_char * _MERSENNE.size).from_address(bits.ctypes.state_address)
    before = memory.raw
    return lambda: memory.raw != before or np.random.mtrand._rand is not generator
