"""The embedded server: the one that starts by itself when no server is configured, and is found again by everyone.

One server belongs to one data directory. Whoever starts or stops it holds the directory's start lock meanwhile, so that
notebooks opened at the same moment end up with the same server.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock, Timeout

from jupyter_deployr import __version__
from jupyter_deployr.client.transport import Timeouts, Transport
from jupyter_deployr.protocol import places
from jupyter_deployr.protocol.errors import DeployRError, EmbeddedServerFailed, Unauthorized
from jupyter_deployr.protocol.places import ServerRecord

START_LIMIT = 60.0
STOP_LIMIT = 60.0
_HEALTH_LIMIT = 10.0

# Secrets of the one who asks, and what names the notebook that asks: neither is the server's business.
_KEPT_BACK = re.compile("DEPLOYR_ADMIN_PASSWORD|DEPLOYR_PASSWORD|JPY_.*")


def find(data_dir: Path) -> ServerRecord | None:
    """The running server of `data_dir`, None when there is none. Raises EmbeddedServerFailed when it doesn't answer."""
    record = places.read_record(data_dir)
    if record is None:
        return None
    transport = Transport(record.url, Timeouts(connect=_HEALTH_LIMIT, answer=_HEALTH_LIMIT))
    try:
        transport.send("GET", "/healthz")
    except DeployRError as fault:
        if places.read_record(data_dir) is None:
            return None
        raise EmbeddedServerFailed(
            f"The server of {data_dir} (process {record.pid}) runs but doesn't answer: {fault} "
            "`jupyter deployr stop` ends it."
        ) from None
    finally:
        transport.close()
    return record


def start(data_dir: Path) -> ServerRecord:
    """The running server of `data_dir`, started first when there is none or only one of an older package version.

    Returns when it accepts requests. Raises EmbeddedServerFailed with the server's own reason.
    """
    found = find(data_dir)
    if found is not None and not _is_older(found):
        return found
    with _start_lock(data_dir):
        found = find(data_dir)
        if found is not None and _is_older(found):
            _end(found)
            found = None
        return found or _launch(data_dir)


def stop(data_dir: Path) -> bool:
    """End the server of `data_dir` and wait until it is gone. False when none was running.

    Calls that run are finished first. Raises EmbeddedServerFailed when it doesn't end in time.
    """
    with _start_lock(data_dir):
        record = places.read_record(data_dir)
        if record is None:
            return False
        _end(record)
        return True


def admin_password(data_dir: Path) -> str:
    """The admin password of the server of `data_dir`: the generated one, or `DEPLOYR_PASSWORD` where a person set it.

    Raises Unauthorized when it is nowhere to be found.
    """
    with contextlib.suppress(FileNotFoundError):
        return places.password_file(data_dir).read_text(encoding="utf-8").strip()
    set_by_person = os.environ.get("DEPLOYR_PASSWORD")
    if set_by_person:
        return set_by_person
    raise Unauthorized(
        "The admin password of the server on this machine was set by a person. "
        "Put it into the environment variable DEPLOYR_PASSWORD."
    )


@contextlib.contextmanager
def _start_lock(data_dir: Path) -> Iterator[None]:
    path = places.start_lock(data_dir)
    lock = FileLock(path, timeout=START_LIMIT + STOP_LIMIT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire()
    except Timeout:
        raise EmbeddedServerFailed(
            f"Another process has been starting or stopping the server of {data_dir} for too long; {path} is locked."
        ) from None
    except OSError as fault:
        raise EmbeddedServerFailed(f"{path} can't be locked: {fault.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def _is_older(record: ServerRecord) -> bool:
    return _numbers(record.version) < _numbers(__version__)


def _numbers(version: str) -> tuple[int, ...]:
    major, minor, micro = ([int(number) for number in re.findall(r"\d+", version)] + [0, 0, 0])[:3]
    return major, minor, micro


def _end(record: ServerRecord) -> None:
    process = record.process
    if process is None:
        return
    give_up = time.monotonic() + STOP_LIMIT
    try:
        process.terminate()
        # Not one long wait: a server whose parent still runs stays behind as a zombie, which counts as ended.
        while record.process is not None:
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(0.1)
            if time.monotonic() > give_up:
                raise EmbeddedServerFailed(
                    f"The server at {record.url} (process {record.pid}) was told to end and hasn't within "
                    f"{STOP_LIMIT:g} s."
                )
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        raise EmbeddedServerFailed(
            f"The server at {record.url} (process {record.pid}) belongs to another account; only that can end it."
        ) from None


def _launch(data_dir: Path) -> ServerRecord:
    command = [sys.executable, "-m", "jupyter_deployr", "serve", "--embedded", "--data-dir", str(data_dir)]
    environment = {name: value for name, value in os.environ.items() if not _KEPT_BACK.fullmatch(name)}
    log = data_dir / "server.log"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0) as errors:
            before = errors.seek(0, os.SEEK_END)
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                cwd=data_dir,
                env=environment,
            )
            ready = _first_line(process, START_LIMIT)
            record = places.read_record(data_dir) if ready else None
            if record is not None:
                process.returncode = 0  # it outlives us on purpose; Popen need not warn that it still runs
                return record
            process.kill()
            process.wait()
            errors.seek(before)
            said = errors.read().decode("utf-8", "replace").strip().splitlines()
    except OSError as fault:
        raise EmbeddedServerFailed(f"The embedded server can't be started: {fault}.") from None
    reason = said[-1] if said else "it gave no reason"
    raise EmbeddedServerFailed(f"The embedded server did not start: {reason} (its log: {log})")


def _first_line(process: subprocess.Popen[bytes], limit: float) -> bytes:
    """What the process prints first; nothing when it ends or the limit (seconds) passes before."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read(stdout: IO[bytes]) -> None:
        with stdout:
            lines.put(stdout.readline())

    threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
    try:
        return lines.get(timeout=limit)
    except queue.Empty:
        return b""
