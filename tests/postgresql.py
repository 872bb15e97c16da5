"""A real PostgreSQL for tests: a cluster of their own, which they may stop, kill and freeze."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

# Something that can be searched for, with signs that a URL must encode.
PASSWORD = "Canary/of:the@cluster-7353"
ENCODED_PASSWORD = "Canary%2Fof%3Athe%40cluster-7353"
USER = "deployr"
# A lock in the database is waited for so long by a server that is `served_on` it.
BUSY_SECONDS = 1
# What a server's database refers to.
DIGESTS = "SELECT digest FROM snapshots UNION SELECT digest FROM versions WHERE digest IS NOT NULL"
_ACCOUNT = "postgres"


def served_on(url: str) -> tuple[str, ...]:
    """The options of a light server on that database."""
    return (
        "--ServeApp.workers=1",
        "--ServeApp.warm_sessions=0",
        f"--ServeApp.database_busy_seconds={BUSY_SECONDS}",
        f"--ServeApp.database={url}",
    )


def _programs() -> Path:
    """Where PostgreSQL's own programs are, those of the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "The tests need PostgreSQL's server: apt-get install postgresql"
    return found[-1].parent


def _as_account(*command: str) -> None:
    """Run a program of PostgreSQL's, which refuses to run as root."""
    switch = ["runuser", "-u", _ACCOUNT, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*switch, *command], capture_output=True, text=True, check=False, cwd="/", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgreSQL:
    """A running cluster on 127.0.0.1; `home` is its directory."""

    home: Path
    port: int

    @classmethod
    def create(cls) -> PostgreSQL:
        """Make a cluster in a directory that PostgreSQL's account can reach, and start it."""
        home = Path(tempfile.mkdtemp(prefix="deployr-postgresql-"))
        secret = home / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (home, secret):
                shutil.chown(path, _ACCOUNT, _ACCOUNT)
        cluster = cls(home, _free_port())
        options = ["--username", USER, "--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        _as_account(str(_programs() / "initdb"), "-D", str(home / "data"), "--no-sync", *options)
        cluster.start()
        return cluster

    def _control(self, *words: str) -> None:
        _as_account(str(_programs() / "pg_ctl"), "-D", str(self.home / "data"), "-w", *words)

    def start(self) -> None:
        """Start it, on the port it has always had."""
        # Without fsync: its processes are killed, never the machine.
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c fsync=off"
        self._control("start", "-l", str(self.home / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends all connections, `immediate` all processes, as a crash would."""
        self._control("stop", "-m", mode)

    def freeze(self) -> None:
        """Let it do nothing any more, with all its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        main = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        # First who starts others.
        os.kill(main, number)
        for process in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            os.kill(int(process), number)

    def url(self, database: str) -> str:
        """The URL of one of its databases, as an operator writes it."""
        return f"postgresql://{USER}:{ENCODED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def query(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """What a statement answers."""
        with psycopg.connect(self.url(database)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, name: str, options: str = "") -> str:
        """Make an empty database of a name of at most 63 characters; returns its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} ").format(sql.Identifier(name))
            connection.execute(statement + sql.SQL(options))
        return self.url(name)

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self.stop("immediate")
        shutil.rmtree(self.home)
