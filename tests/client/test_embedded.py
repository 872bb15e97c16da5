"""The embedded server: found, started, found again, replaced, stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from jupyter_deployr import __version__
from jupyter_deployr.client import (
    DeployRClient,
    EmbeddedServerFailed,
    Unauthorized,
    connect,
    embedded,
    models,
)
from jupyter_deployr.protocol import places

ASK_FROM_ANOTHER_PROCESS = """
import json, sys
from pathlib import Path
from jupyter_deployr.client import connect, embedded
from jupyter_deployr.protocol import places
record = embedded.start(places.default_data_dir())
client = connect()
print(json.dumps([record.pid, record.url, client.base_url, client.status().status_code]))
"""


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of its own: nothing is configured, nothing runs."""
    for name in ("DEPLOYR_SERVER", "DEPLOYR_USERNAME", "DEPLOYR_PASSWORD", "DEPLOYR_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("DEPLOYR_DATA_DIR", str(tmp_path / "deployr"))
    yield tmp_path / "deployr"
    embedded.stop(tmp_path / "deployr")


def test_nothing_runs_at_first(data_dir: Path) -> None:
    assert embedded.find(data_dir) is None
    assert embedded.stop(data_dir) is False


def test_connect_starts_it_and_signs_in(data_dir: Path) -> None:
    with connect() as client:
        assert client.status().status_code == "pass"
        assert client.base_url.startswith("http://127.0.0.1:")
    record = embedded.find(data_dir)
    assert record is not None
    assert record.url == client.base_url
    assert record.version == __version__
    for private in (places.password_file(data_dir), data_dir / "server.log"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_another_process_finds_the_same_one_and_it_outlives_its_starter(data_dir: Path) -> None:
    def ask() -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", ASK_FROM_ANOTHER_PROCESS], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        answer: list[object] = json.loads(done.stdout)
        return answer

    first = ask()
    assert first[1:] == [first[1], first[1], "pass"]
    assert ask() == first
    record = embedded.start(data_dir)
    assert [record.pid, record.url] == first[:2]


def test_it_does_not_belong_to_its_starters_process_group(data_dir: Path) -> None:
    record = embedded.start(data_dir)
    assert os.getsid(record.pid) != os.getsid(0)
    assert os.getpgid(record.pid) != os.getpgid(0)


def test_asked_for_at_the_same_moment_it_starts_once(data_dir: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        records = list(threads.map(embedded.start, [data_dir] * 4))
    assert len({record.pid for record in records}) == 1


def test_stopped_means_gone_and_services_survive(data_dir: Path) -> None:
    with connect() as client:
        client.publish_web_service_version("Kept", "1", models.PublishWebServiceRequest(code="x = 1"))
    record = embedded.start(data_dir)
    assert embedded.stop(data_dir) is True
    assert record.process is None
    assert embedded.find(data_dir) is None
    with connect() as client:
        assert client.consume("Kept", "1", {}).success
    again = embedded.find(data_dir)
    assert again is not None
    assert again.pid != record.pid


def test_one_that_was_killed_is_started_again(data_dir: Path) -> None:
    record = embedded.start(data_dir)
    process = record.process
    assert process is not None
    os.kill(record.pid, signal.SIGKILL)
    process.wait(30)
    again = embedded.start(data_dir)
    assert again.pid != record.pid
    assert embedded.find(data_dir) == again


@pytest.mark.parametrize(("version", "replaced"), [("0.0.9", True), ("0.1", False), ("99.0.0", False)])
def test_one_of_an_older_version_is_replaced(data_dir: Path, version: str, replaced: bool) -> None:
    record = embedded.start(data_dir)
    (file,) = (data_dir.parent / "runtime").glob("deployr-*.json")
    file.write_text(json.dumps({**dataclasses.asdict(record), "version": version}))
    again = embedded.start(data_dir)
    assert (again.pid != record.pid) is replaced
    assert psutil.pid_exists(record.pid) is not replaced
    file.write_text(json.dumps(dataclasses.asdict(again)))


def test_another_port_is_taken_where_the_usual_one_is_not_free(data_dir: Path) -> None:
    try:
        taken = socket.create_server(("127.0.0.1", places.DEFAULT_PORT))
    except OSError:
        taken = socket.socket()
    with taken:
        record = embedded.start(data_dir)
    assert not record.url.endswith(f":{places.DEFAULT_PORT}")


def test_the_servers_own_reason_is_told_when_it_does_not_start(data_dir: Path) -> None:
    embedded.start(data_dir)
    (file,) = (data_dir.parent / "runtime").glob("deployr-*.json")
    record = file.read_text()
    # With its announcement gone, a second one is tried on the same data directory, which is locked.
    file.unlink()
    with pytest.raises(EmbeddedServerFailed, match=r"did not start: .*(another server|lock).*server\.log"):
        embedded.start(data_dir)
    file.write_text(record)
    assert embedded.find(data_dir) is not None


def test_a_data_directory_that_can_not_be_made_is_told(data_dir: Path) -> None:
    data_dir.write_text("a file is here")
    with pytest.raises(EmbeddedServerFailed, match="can't be started"):
        embedded.start(data_dir)


def test_one_that_hangs_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = embedded.start(data_dir)
    monkeypatch.setattr(embedded, "_HEALTH_LIMIT", 0.5)
    os.kill(record.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerFailed, match=f"process {record.pid}.*doesn't answer"):
            embedded.start(data_dir)
    finally:
        os.kill(record.pid, signal.SIGCONT)


def test_secrets_and_the_notebooks_name_stay_out_of_its_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYR_ADMIN_PASSWORD", "Secret-1234")
    monkeypatch.setenv("DEPLOYR_PASSWORD", "Secret-1234")
    monkeypatch.setenv("JPY_SESSION_NAME", "secret.ipynb")
    monkeypatch.setenv("A_SETTING", "passed on")
    record = embedded.start(data_dir)
    environment = psutil.Process(record.pid).environ()
    assert environment["A_SETTING"] == "passed on"
    assert not {"DEPLOYR_ADMIN_PASSWORD", "DEPLOYR_PASSWORD", "JPY_SESSION_NAME"} & environment.keys()


def test_a_password_set_by_a_person_is_asked_of_the_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = embedded.start(data_dir)
    generated = places.password_file(data_dir).read_text().strip()
    places.password_file(data_dir).unlink()
    with pytest.raises(Unauthorized, match=r"set by a person.*DEPLOYR_PASSWORD"):
        connect()
    monkeypatch.setenv("DEPLOYR_PASSWORD", generated)
    with connect() as client:
        assert client.base_url == record.url
        assert client.signed_in


def test_with_a_configured_server_no_embedded_one_starts(
    data_dir: Path, server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYR_SERVER", f"{server.url}/")  # type: ignore[attr-defined]
    with pytest.raises(Unauthorized, match="No password is known for admin"):
        connect()
    monkeypatch.setenv("DEPLOYR_PASSWORD", server.password)  # type: ignore[attr-defined]
    with connect() as client:
        assert client.base_url == server.url  # type: ignore[attr-defined]
    assert embedded.find(data_dir) is None


def test_the_password_of_one_server_is_not_sent_to_another(
    data_dir: Path, stub: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYR_SERVER", "http://deployr.example:12800")
    monkeypatch.setenv("DEPLOYR_PASSWORD", "secret")
    with pytest.raises(Unauthorized, match="No password is known"):
        connect(stub.url)  # type: ignore[attr-defined]
    assert stub.requests == []  # type: ignore[attr-defined]
    monkeypatch.delenv("DEPLOYR_SERVER")
    stub.always(200, {"access_token": "a"})  # type: ignore[attr-defined]
    with connect(stub.url) as client:  # type: ignore[attr-defined]
        assert isinstance(client, DeployRClient)
    assert json.loads(stub.requests[0].body) == {"username": "admin", "password": "secret"}  # type: ignore[attr-defined]
