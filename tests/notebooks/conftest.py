"""A machine on which nothing is configured: notebooks start the embedded server themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_deployr.client import embedded
from tests.server_process import environment


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a user who has never run this before. The server that gets started is stopped afterwards."""
    variables = environment(tmp_path, DEPLOYR_DATA_DIR=str(tmp_path / "deployr"), PYTHONPATH=os.pathsep.join(sys.path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", variables["JUPYTER_RUNTIME_DIR"])
    yield variables
    embedded.stop(tmp_path / "deployr")
