"""Fixtures of the tests of snapshots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.computenode.forks import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What forks small sessions and workers."""
    running = Forks()
    yield running
    running.close()
