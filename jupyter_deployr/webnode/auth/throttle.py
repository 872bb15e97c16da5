"""Who guesses passwords waits longer with each wrong one."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from jupyter_deployr.protocol.errors import TooManyRequests

_FREE_PER_PAIR = 5
_FREE_PER_ACCOUNT = 50
_FREE_PER_ADDRESS = 50
_LONGEST_SECONDS = 60.0
_FORGOTTEN_AFTER_SECONDS = 15 * 60.0
_MAX_ENTRIES = 10_000
_MAX_NAME = 256

Key = TypeVar("Key")


@dataclass
class _Failures:
    count: int
    last: float


class _Ledger(Generic[Key]):
    """The failures of each key: the first `free` cost nothing, after each further one the wait is twice as long."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()

    def wait(self, key: Key, now: float) -> float:
        """Seconds from `now` until the next attempt; 0 for at once."""
        found = self._failures.get(key)
        if found is None or found.count < self._free or now - found.last > _FORGOTTEN_AFTER_SECONDS:
            return 0.0
        # Bounded before the power is taken: a count has no bound.
        delay = min(_LONGEST_SECONDS, 2.0 ** min(found.count - self._free, 16))
        return max(0.0, found.last + delay - now)

    def add(self, key: Key, now: float) -> None:
        """One failure more."""
        found = self._failures.get(key)
        count = 0 if found is None or now - found.last > _FORGOTTEN_AFTER_SECONDS else found.count
        self._failures[key] = _Failures(count + 1, now)
        self._failures.move_to_end(key)
        if len(self._failures) > _MAX_ENTRIES:
            self._failures.popitem(last=False)

    def clear(self, key: Key) -> None:
        """No failures."""
        self._failures.pop(key, None)


class LoginThrottle:
    """Counts wrong passwords per account and address, per account, and per address; in bounded memory.

    An account that has signed in from an address is bound there by the count of the pair alone, so that what others
    do, elsewhere or behind the same address, doesn't keep it out. Names count whether they exist or not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs: _Ledger[tuple[str, str]] = _Ledger(_FREE_PER_PAIR)
        self._accounts: _Ledger[str] = _Ledger(_FREE_PER_ACCOUNT)
        self._addresses: _Ledger[str] = _Ledger(_FREE_PER_ADDRESS)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check(self, account: str, address: str) -> None:
        """Raises TooManyRequests when this attempt comes too early."""
        pair, now = _pair(account, address), self._clock()
        wait = self._pairs.wait(pair, now)
        if pair not in self._known:
            wait = max(wait, self._accounts.wait(pair[0], now), self._addresses.wait(pair[1], now))
        if wait > 0:
            seconds = math.ceil(wait)
            raise TooManyRequests(f"Too many wrong passwords: try again in {seconds} seconds.", retry_after=seconds)

    def failed(self, account: str, address: str) -> bool:
        """Count a wrong password; returns whether the next one has to wait."""
        pair, now = _pair(account, address), self._clock()
        self._pairs.add(pair, now)
        self._accounts.add(pair[0], now)
        self._addresses.add(pair[1], now)
        return self._pairs.wait(pair, now) > 0

    def succeeded(self, account: str, address: str) -> None:
        """Forget the wrong passwords of this account from this address."""
        pair = _pair(account, address)
        self._pairs.clear(pair)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _MAX_ENTRIES:
            self._known.popitem(last=False)


def _pair(account: str, address: str) -> tuple[str, str]:
    return account[:_MAX_NAME], _network(address)


def _network(address: str) -> str:
    """What one party can't leave: an IPv4 address, or the /64 network that an IPv6 subscriber has to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
