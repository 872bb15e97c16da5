"""A real server process for tests, started by its command line on a data directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "Correct-Horse-7"


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the developer's own Jupyter or DeployR is seen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEPLOYR_", "JUPYTER_"))}
    jupyter = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    return {**kept, **jupyter, **more}


@dataclass
class ServerProcess:
    """A running server: its base URL, the administrator's password, its data directory and its process."""

    url: str
    password: str
    data_dir: Path
    process: subprocess.Popen[str]
    environment: Mapping[str, str]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> None:
        """End it however far it has come."""
        if self.process.poll() is None:
            self.terminate()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(
    home: Path,
    *arguments: str,
    port: int = 0,
    password: str = PASSWORD,
    wrapper: Sequence[str] = (),
    preload: str | None = "json",
    **more: str,
) -> ServerProcess:
    """Start `python -m jupyter_deployr serve` below `home` and wait for the line that says it is ready.

    By default next to nothing is imported before workers and sessions are forked: most servers of a single test run no
    scientific code, and start in half the time. None is the server's own list.
    `wrapper` is a command that executes what comes behind it, in its own process.
    """
    home.mkdir(parents=True, exist_ok=True)
    data_dir = home / "deployr"
    variables = environment(home, DEPLOYR_ADMIN_PASSWORD=password, **more)
    command = [
        *wrapper,
        sys.executable,
        "-m",
        "jupyter_deployr",
        "serve",
        "--port",
        str(port),
        "--data-dir",
        str(data_dir),
    ]
    if preload is not None:
        command.append(f"--ServeApp.preload={preload}")
    with (home / "server.log").open("a") as log:
        process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, env=variables, cwd=home
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("DeployR server ready at "):
        process.wait(60)
        process.stdout.close()
        raise AssertionError(f"the server did not start: {line!r} {(home / 'server.log').read_text()}")
    url = line.rsplit(" ", 1)[1].strip()
    return ServerProcess(url, password, data_dir, process, variables)
