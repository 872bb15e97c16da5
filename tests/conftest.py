"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import server_process
from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the whole test run. Tests use names of their own in it."""
    running = server_process.start(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()
