"""What a call may change about its process and the next call must not see.

Undone: the working directory, the environment with the time zone, the random states of `random` and numpy, warning
filters, the locale, the umask, handlers of the usual signals and the interval timer, `sys.path`, `sys.argv`,
`sys.stdin` and some settings of the interpreter. Each is looked at after every call in a fraction of a microsecond, and
put back only where it differs.
"""

from __future__ import annotations

# The module below `signal`, which converts and wraps at ten times the cost.
import _signal  # type: ignore[import-not-found]
import contextlib
import ctypes
import gc
import locale
import operator
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_deployr.computenode.environment_variables import EnvironmentVariables

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
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGCONT,
        signal.SIGWINCH,
        signal.SIGPROF,
        signal.SIGVTALRM,
    )
)
# How the interpreter tells a setting of its own, and how it is told one.
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
)
_TOLD = tuple(told for told, _ in _SETTINGS)
_MERSENNE_WORDS = 624
# `locale` decodes the answer, which takes as long again.
_ask_locale = ctypes.PyDLL(None).setlocale
_ask_locale.argtypes = (ctypes.c_int, ctypes.c_void_p)
_ask_locale.restype = ctypes.c_char_p


class ProcessState:
    """Remembers the state as it is when it is made; `restore` puts it back."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._environment = EnvironmentVariables()
        self._zone = time.tzname
        self._warnings = list(warnings.filters)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._locale_in_c = _ask_locale(locale.LC_ALL, None)
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._signals = list(map(_signal.getsignal, _SIGNALS))
        self._settings = list(map(operator.call, _TOLD))
        self._path = list(sys.path)
        self._argv = list(sys.argv)
        self._stdin = sys.stdin
        self._random_changed = _watch_random()
        self._random = random.getstate()
        self._numpy_changed = _watch_numpy()
        self._numpy_generator = np.random.mtrand._rand._bit_generator
        self._numpy: Any = np.random.get_state(legacy=False)

    def restore(self) -> bool:
        """Undo what the last call did to the process; returns whether it was in its directory still."""
        if self._environment.changed():
            self._environment.restore()
        if time.tzname is not self._zone:
            # `tzset` has made new names, from an environment that is what it was again.
            time.tzset()
            self._zone = time.tzname
        stayed = self._in_directory()
        if not stayed:
            with contextlib.suppress(OSError):
                os.chdir(self._directory)
        if warnings.filters != self._warnings:
            warnings.filters[:] = self._warnings  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if _ask_locale(locale.LC_ALL, None) != self._locale_in_c:
            locale.setlocale(locale.LC_ALL, self._locale)
        os.umask(self._umask)
        # Ends what `setitimer` has set for real time too, in less time than that takes.
        _signal.alarm(0)
        if list(map(_signal.getsignal, _SIGNALS)) != self._signals:
            # What these timers send would end the process once its handler is gone.
            _signal.setitimer(_signal.ITIMER_VIRTUAL, 0)
            _signal.setitimer(_signal.ITIMER_PROF, 0)
            for number, handler in zip(_SIGNALS, self._signals, strict=True):
                _signal.signal(number, handler)
        if list(map(operator.call, _TOLD)) != self._settings:
            for (_, tell), setting in zip(_SETTINGS, self._settings, strict=True):
                tell(setting)
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.argv != self._argv:
            sys.argv[:] = self._argv
        if sys.stdin is not self._stdin:
            sys.stdin = self._stdin
        if self._random_changed():
            random.setstate(self._random)
        if self._numpy_changed():
            if np.random.mtrand._rand._bit_generator is not self._numpy_generator:
                np.random.mtrand.set_bit_generator(self._numpy_generator)
            np.random.set_state(self._numpy)
        return stayed

    def _in_directory(self) -> bool:
        try:
            return os.getcwd() == self._directory  # noqa: PTH109 - on every call
        except FileNotFoundError:
            return False


def _watch_random() -> Callable[[], bool]:
    """Whether `random`'s global generator has moved.

    Its position and words are compared in memory: asking it for its state would cost a hundred times as much. The first
    word and the position wouldn't do, which are the same after every `seed`. Where the memory isn't laid out as known,
    the state is compared.
    """
    generator: Any = random._inst
    state = random.getstate()
    memory = _mersenne_twister(id(generator) + object.__basicsize__)
    before, gauss = memory.raw, generator.gauss_next
    words = state[1]
    if np.frombuffer(before, np.uint32).tolist() != [words[-1], *words[:-1]]:
        return lambda: random.getstate() != state
    return lambda: memory.raw != before or generator.gauss_next != gauss


def _watch_numpy() -> Callable[[], bool]:
    """Whether numpy's global generator has moved, looked at as `random`'s is."""
    generator = np.random.mtrand._rand
    bits = generator._bit_generator
    state: Any = np.random.get_state(legacy=False)
    if type(bits) is not np.random.MT19937 or state["has_gauss"]:
        # With a normal number in stock, drawing it changes nothing in the generator's memory.
        return lambda: True
    memory = _mersenne_twister(bits.ctypes.state_address)
    before = memory.raw
    return lambda: memory.raw != before or generator._bit_generator is not bits


def _mersenne_twister(address: int) -> ctypes.Array[ctypes.c_char]:
    """The words and the position of a generator, in whatever order it has them there."""
    return (ctypes.c_char * (4 * (_MERSENNE_WORDS + 1))).from_address(address)
