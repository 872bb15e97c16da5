"""Guessing passwords: how long who has to wait, and that a flood of logins harms nobody else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import requests
from requests.adapters import HTTPAdapter

from jupyter_deployr.protocol.errors import TooManyRequests
from jupyter_deployr.webnode.auth.throttle import LoginThrottle
from tests import server_process
from tests.api import ERROR_MEMBERS, Api
from tests.server_process import ServerProcess


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(clock)


def _wait(throttle: LoginThrottle, account: str, address: str) -> int:
    """The seconds that the next attempt has to wait."""
    try:
        throttle.check(account, address)
    except TooManyRequests as refusal:
        return refusal.retry_after
    return 0


def _fail(throttle: LoginThrottle, times: int, account: str, address: str) -> None:
    for _ in range(times):
        throttle.failed(account, address)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (12, 60), (5000, 60)]
)
def test_each_wrong_password_doubles_the_wait(throttle: LoginThrottle, failures: int, seconds: int) -> None:
    _fail(throttle, failures, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.1") == seconds


def test_the_wait_passes_and_failures_are_forgotten(throttle: LoginThrottle, clock: Clock) -> None:
    _fail(throttle, 7, "ann", "192.0.2.1")
    clock.now += 3
    assert _wait(throttle, "ann", "192.0.2.1") == 1
    clock.now += 1
    assert _wait(throttle, "ann", "192.0.2.1") == 0
    _fail(throttle, 1, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.1") == 8
    clock.now += 901
    _fail(throttle, 4, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.1") == 0


def test_the_right_password_clears_the_pair(throttle: LoginThrottle) -> None:
    _fail(throttle, 4, "ann", "192.0.2.1")
    throttle.succeeded("ann", "192.0.2.1")
    _fail(throttle, 4, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.1") == 0


def test_others_elsewhere_do_not_wait(throttle: LoginThrottle) -> None:
    _fail(throttle, 20, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.2") == 0
    assert _wait(throttle, "bob", "192.0.2.1") == 0


def test_many_addresses_are_slowed_down_and_the_owner_is_not(throttle: LoginThrottle) -> None:
    throttle.succeeded("ann", "198.51.100.7")
    for number in range(100):
        throttle.failed("ann", f"192.0.2.{number}")
    assert _wait(throttle, "ann", "192.0.2.200") == 60
    assert _wait(throttle, "ann", "198.51.100.7") == 0
    assert _wait(throttle, "bob", "192.0.2.200") == 0


def test_many_names_are_slowed_down_and_who_is_known_is_not(throttle: LoginThrottle) -> None:
    throttle.succeeded("ann", "192.0.2.1")
    for number in range(100):
        throttle.failed(f"guess{number}", "192.0.2.1")
    assert _wait(throttle, "bob", "192.0.2.1") == 60
    assert _wait(throttle, "ann", "192.0.2.1") == 0
    # What is known of a pair doesn't let it guess either.
    _fail(throttle, 6, "ann", "192.0.2.1")
    assert _wait(throttle, "ann", "192.0.2.1") == 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_addresses_that_are_one_partys(throttle: LoginThrottle, first: str, second: str, same: bool) -> None:
    _fail(throttle, 6, "ann", first)
    assert (_wait(throttle, "ann", second) > 0) is same


def test_the_memory_of_failures_is_bounded(throttle: LoginThrottle, clock: Clock) -> None:
    for number in range(25_000):
        throttle.failed(f"{number}" + "x" * 100_000, f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
        throttle.succeeded(f"known{number}", "192.0.2.1")
    kept = [throttle._pairs._failures, throttle._accounts._failures, throttle._addresses._failures, throttle._known]
    assert [len(entries) for entries in kept] == [10_000] * 4
    assert max(len(name) for name in throttle._accounts._failures) < 1000


# ------------------------------------------------------------------------------------------------- over HTTP


class _From(HTTPAdapter):
    """Connections from one of this machine's loopback addresses."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(pool_maxsize=64)

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)  # type: ignore[arg-type]


def _session(address: str) -> requests.Session:
    http = requests.Session()
    http.trust_env = False
    http.mount("http://", _From(address))
    return http


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that nobody else logs in to."""
    running = server_process.start(tmp_path_factory.mktemp("flooded"))
    yield running
    running.stop()


def _until_refused(server: ServerProcess, http: requests.Session, name: str, **options: Any) -> list[requests.Response]:
    """The answers to wrong passwords up to the first that isn't looked at."""
    answers: list[requests.Response] = []
    while not answers or answers[-1].status_code == 401:
        assert len(answers) < 20
        body = {"username": name, "password": "wrong"}
        answers.append(http.post(f"{server.url}/login", json=body, timeout=60, **options))
    return answers


def test_a_thousand_wrong_passwords(flooded: ServerProcess) -> None:
    with _session("127.0.0.2") as http:

        def guess(password: str) -> requests.Response:
            return http.post(f"{flooded.url}/login", json={"username": "admin", "password": password}, timeout=60)

        answers = [guess(f"wrong{number}") for number in range(1000)]
        counted = Counter(answer.status_code for answer in answers)
        # Only what isn't refused at once costs a hash: some more than five, one for each wait that passed meanwhile.
        assert counted.keys() == {401, 429}
        assert 5 <= counted[401] <= 12
        refused = answers[-1]
        assert refused.json().keys() == ERROR_MEMBERS
        assert refused.json()["exceptionType"] == "TooManyRequests"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        # The right password doesn't help there, nor tells that it is right. It does from elsewhere.
        assert guess(flooded.password).status_code == 429
    Api(flooded).ok("GET", "/services")
    log = (flooded.data_dir.parent / "server.log").read_text()
    assert "repeated wrong passwords from 127.0.0.2" in log
    assert "wrong1" not in log


def test_names_that_exist_and_others_are_throttled_alike(flooded: ServerProcess) -> None:
    def course(name: str) -> list[str]:
        with _session("127.0.0.3") as http:
            answers = _until_refused(flooded, http, name)
        assert len(answers) >= 6
        return [re.sub(r"\d+", "n", answer.json()["message"]) for answer in (answers[0], answers[-1])]

    assert course("admin") == course("nobody") == course("nobody" * 1000)


def test_a_sender_can_not_choose_its_address(flooded: ServerProcess) -> None:
    with _session("127.0.0.4") as http:
        _until_refused(flooded, http, "admin")
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        assert len(_until_refused(flooded, http, "admin", headers=headers)) <= 2


def test_a_flood_of_logins_leaves_the_server_well(flooded: ServerProcess) -> None:
    api = Api(flooded)
    process = psutil.Process(flooded.pid)
    before = process.memory_info().rss
    most = 0

    def guess(number: int) -> int:
        with _session(f"127.0.1.{number % 30 + 1}") as http:
            body = {"username": f"name{number}", "password": "x" * 50_000 if number % 7 == 0 else "wrong"}
            return http.post(f"{flooded.url}/login", json=body, timeout=60).status_code

    with ThreadPoolExecutor(60) as threads:
        answers = [threads.submit(guess, number) for number in range(60)]
        while not all(answer.done() for answer in answers):
            assert api.ok("GET", "/healthz")["status"] == "pass"
            most = max(most, process.memory_info().rss)
    statuses = Counter(answer.result() for answer in answers)
    assert statuses.keys() <= {401, 503}
    assert statuses[401] >= 30
    # Each hash at work has 64 MiB; there are two.
    assert most - before < 250 * 1024**2
    Api(flooded).ok("GET", "/services")
