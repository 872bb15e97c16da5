"""A notebook on the embedded server, which may be stopped and started under it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_deployr.client import embedded
from jupyter_deployr.protocol import places


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython on a machine where nothing is configured and nothing runs."""
    for name in (
        "DEPLOYR_SERVER",
        "DEPLOYR_USERNAME",
        "DEPLOYR_PASSWORD",
        "DEPLOYR_ADMIN_PASSWORD",
        "JPY_SESSION_NAME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("DEPLOYR_DATA_DIR", str(tmp_path / "deployr"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.run_line_magic("load_ext", "jupyter_deployr")
    yield shell
    embedded.stop(places.default_data_dir())


def test_loading_the_magics_starts_nothing(ip: InteractiveShell) -> None:
    assert not places.default_data_dir().exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_went_away_is_started_again_and_the_loss_is_told(
    ip: InteractiveShell, capsys: Any, end: signal.Signals
) -> None:
    assert ip.run_cell("%%publish Kept 1 -o y:numeric\ny = 5").success
    assert ip.run_cell("%%remote\na = 1").success
    record = places.read_record(places.default_data_dir())
    assert record is not None
    process = record.process
    assert process is not None
    os.kill(record.pid, end)
    process.wait(60)
    capsys.readouterr()

    assert ip.run_cell("result = %consume Kept").success
    assert ip.user_ns["result"] == 5
    assert not ip.run_cell("%%remote\na").success
    assert capsys.readouterr().out.startswith("Gone: The remote session 'IPython' has ended, ")
    assert ip.run_cell("%%remote\na = 2\na").success
    assert capsys.readouterr().out == "2\n"


def test_a_server_that_can_not_start_is_one_line(ip: InteractiveShell, capsys: Any) -> None:
    places.default_data_dir().write_text("a file is in the way")
    assert not ip.run_cell("%services").success
    shown = capsys.readouterr().out
    assert shown.startswith("EmbeddedServerFailed: The embedded server can't be started: ")
    assert shown.count("\n") == 1
    places.default_data_dir().unlink()
