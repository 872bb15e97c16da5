"""The server as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from tests import server_process
from tests.api import Api, publish_iris
from tests.server_process import ServerProcess
from tests.waiting import wait_until

Start = Callable[..., ServerProcess]


def _refused(home: Path, *arguments: str, **variables: str) -> str:
    """The one line that a server which can't start leaves on stderr."""
    home.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-m", "jupyter_deployr", "serve", "--data-dir", str(home / "deployr"), *arguments],
        env=server_process.environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def _descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_says_where_it_listens_and_leaves_nothing_when_terminated(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    assert requests.get(f"{server.url}/healthz", timeout=10).json()["status"] == "pass"
    api = Api(server)
    publish_iris(api)
    api.session()
    below = _descendants(server.pid)
    assert below
    assert server.terminate() == 0
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
    assert not list((tmp_path / "runtime").glob("deployr-*.json"))
    assert not (server.data_dir / "scratch").exists()


def test_everything_ends_when_the_server_is_killed(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    session = api.session()
    started = api.execute(
        session,
        "import subprocess; child = subprocess.Popen(['sleep', '600'], start_new_session=True)",
        outputs=(),
    )
    assert started["success"]
    below = _descendants(server.pid)
    assert any(process.name() == "sleep" for process in below)
    server.kill()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive


def test_a_version_survives_sigkill(start_server: Start) -> None:
    server = start_server()
    path = publish_iris(Api(server))
    server.kill()
    again = start_server()
    result = Api(again).consume(path, flower_data=[7, 3.2, 4.7, 1.4])
    assert result["outputParameters"] == {"iris_species": ["I. versicolor"]}


def test_sigterm_lets_a_running_call_end(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    api = Api(server)
    begun = tmp_path / "begun"
    code = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(2); x = 1"
    path = api.publish("Slow", code, outputParameterDefinitions=[{"name": "x", "type": "integer"}])
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(api.send("POST", path, json={})))
    caller.start()
    wait_until(begun.exists)
    assert server.terminate() == 0
    caller.join(10)
    assert answers[0].json()["outputParameters"] == {"x": 1}


def test_a_call_that_does_not_end_is_cut_off_after_the_drain(start_server: Start, tmp_path: Path) -> None:
    server = start_server("--ServeApp.drain_seconds=1")
    api = Api(server)
    begun = tmp_path / "begun"
    path = api.publish("Endless", f"open({str(begun)!r}, 'w').close()\nwhile True: pass")
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(api.send("POST", path, json={})))
    caller.start()
    wait_until(begun.exists)
    server.process.send_signal(signal.SIGTERM)
    # Far below the half minute that a pool would otherwise wait for its calls.
    assert server.process.wait(15) == 0
    caller.join(10)
    assert answers[0].status_code == 503


def test_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is taken" in _refused(tmp_path, "--port", str(port))


def test_embedded_takes_another_port_instead(start_server: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = start_server("--embedded", port=port)
        assert not server.url.endswith(f":{port}")


def test_refuses_a_data_directory_in_use(start_server: Start, tmp_path: Path) -> None:
    start_server()
    assert "in use by another server" in _refused(tmp_path, "--port", "0")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "70000"], "70000 is not a port number"),
        (["--port", "many"], "many"),
        (["--ip", "203.0.113.7", "--port", "0"], "203.0.113.7:0 can't be used"),
        (["--datadir", "elsewhere"], "unknown option --datadir"),
        (["--datadir=elsewhere"], "unknown option --datadir"),
        (["--ServeApp.prt=5"], "unknown option --ServeApp.prt"),
        (["extra", "--port", "0"], "unexpected argument 'extra'"),
    ],
)
def test_refuses_what_it_cannot_use(tmp_path: Path, arguments: list[str], reason: str) -> None:
    assert reason in _refused(tmp_path, *arguments)


def test_refuses_a_config_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    missing = tmp_path / "missing.py"
    assert "missing.py" in _refused(tmp_path, "--config", str(missing))
    broken = tmp_path / "broken.py"
    for content in ("c.ServeApp.port = = 1\n", "c.ServeApp.port = prot\n", "raise RuntimeError('no')\n"):
        broken.write_text(content)
        assert "broken.py" in _refused(tmp_path, "--config", str(broken))


def test_refuses_a_damaged_signing_key(tmp_path: Path) -> None:
    keys = tmp_path / "deployr" / "signing-keys"
    keys.mkdir(parents=True)
    (keys / "000001789000000-0123456789abcdef.pem").write_text("junk")
    assert "000001789000000-0123456789abcdef.pem" in _refused(tmp_path, "--port", "0")


def test_nothing_is_readable_by_others_in_a_directory_that_was_there(start_server: Start, tmp_path: Path) -> None:
    (tmp_path / "deployr").mkdir(mode=0o755)
    server = start_server()
    publish_iris(Api(server))
    # Below what is closed nothing can be reached, whatever IPython makes there.
    open_to_others = [path for path in server.data_dir.iterdir() if path.lstat().st_mode & 0o077]
    assert open_to_others == []


def test_reads_its_config_file(start_server: Start, tmp_path: Path) -> None:
    config = tmp_path / "deployr.py"
    config.write_text("c.ServeApp.max_sessions = 1\n")
    server = start_server("--config", str(config))
    api = Api(server)
    api.session()
    assert "All 1 sessions" in api.error("POST", "/sessions", 503, json={})["message"]


def test_refuses_other_addresses_than_loopback_without_a_chosen_password(tmp_path: Path) -> None:
    assert "DEPLOYR_ADMIN_PASSWORD" in _refused(tmp_path, "--ip", "0.0.0.0", "--port", "0")
    assert "fewer than 8" in _refused(tmp_path, "--port", "0", DEPLOYR_ADMIN_PASSWORD="short")


def test_generates_a_private_password(start_server: Start) -> None:
    server = start_server(password="")
    file = server.data_dir / "admin-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    login = {"username": "admin", "password": file.read_text()}
    assert requests.post(f"{server.url}/login", json=login, timeout=60).status_code == 200
    server.terminate()
    # A password chosen later takes its place.
    chosen = start_server()
    assert not file.exists()
    assert requests.post(f"{chosen.url}/login", json=login, timeout=60).status_code == 401
    Api(chosen)


def test_is_found_in_the_runtime_directory(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    (record,) = (tmp_path / "runtime").glob("deployr-*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    written = json.loads(record.read_text())
    assert (written["url"], written["pid"]) == (server.url, server.pid)
    command = [sys.executable, "-m", "jupyter_deployr"]
    options = ["--data-dir", str(server.data_dir)]
    status = subprocess.run(
        [*command, "status", *options], env=server.environment, capture_output=True, text=True, check=True
    )
    assert server.url in status.stdout
    stop = subprocess.run(
        [*command, "stop", *options], env=server.environment, capture_output=True, text=True, check=True
    )
    assert "stopped" in stop.stdout
    assert server.process.wait(30) == 0
    gone = subprocess.run(
        [*command, "status", *options], env=server.environment, capture_output=True, text=True, check=False
    )
    assert (gone.returncode, gone.stdout) == (1, "No DeployR server is running.\n")


def test_starts_the_zygote_again_when_it_ends(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    path = publish_iris(api)
    session = api.session()
    (zygote,) = psutil.Process(server.pid).children()
    os.kill(zygote.pid, signal.SIGKILL)
    zygote.wait(10)
    assert "has ended" in api.error("POST", f"/sessions/{session}/execute", 410, json={"code": "1"})["message"]
    assert api.consume(path, flower_data=[5.1, 3.5, 1.4, 0.2])["success"]


def test_a_database_of_a_newer_version_is_refused(start_server: Start, tmp_path: Path) -> None:
    import sqlite3

    server = start_server()
    server.terminate()
    with sqlite3.connect(server.data_dir / "deployr.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "revision 9999" in _refused(tmp_path, "--port", "0", DEPLOYR_ADMIN_PASSWORD=server_process.PASSWORD)
