"""Fixtures that several rooms share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import server_process
from tests.api import Api
from tests.postgresql import PostgreSQL
from tests.server_process import ServerProcess

# How fast examples are made says something of the machine, nothing of the code.
hypothesis.settings.register_profile("house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the whole test run. Tests use names of their own in it."""
    running = server_process.start(tmp_path_factory.mktemp("server"), preload=None)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def api(server: ServerProcess) -> Api:
    """The shared server, spoken to as its administrator."""
    return Api(server)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers of a test's own, all on the same data directory; takes what `server_process.start` takes."""
    started: list[ServerProcess] = []

    def start(*arguments: str, **options: Any) -> ServerProcess:
        started.append(server_process.start(tmp_path, *arguments, **options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One PostgreSQL for the whole test run. Tests make databases of their own in it, and leave it running."""
    cluster = PostgreSQL.create()
    yield cluster
    cluster.remove()


@pytest.fixture
def database_name(request: pytest.FixtureRequest) -> str:
    """The name of a test's own database in that PostgreSQL."""
    return re.sub(r"\W+", "_", request.node.name)[-60:]


@pytest.fixture
def database_url(postgresql: PostgreSQL, database_name: str) -> str:
    """The URL of that database, which is empty."""
    return postgresql.new_database(database_name)
