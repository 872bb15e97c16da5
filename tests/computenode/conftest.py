"""Fixtures of the tests of snapshots and of versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.computenode.forks import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What forks small sessions and workers."""
    running = Forks()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where versions run, nothing lies there that was installed: modules from there are the version's own."""
    monkeypatch.chdir(tmp_path)
