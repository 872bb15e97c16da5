"""Load from wrk: one POST repeated over a number of connections."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("post.lua")


class LoadFailed(Exception):
    """wrk is missing or failed, or answers were errors."""


@dataclass(frozen=True)
class Measured:
    """One run: requests per second, latencies in milliseconds."""

    throughput: float
    p50: float
    p99: float


def wrk() -> str:
    """The path of wrk. Raises LoadFailed saying how to get it."""
    path = shutil.which("wrk")
    if path is None:
        raise LoadFailed(
            "wrk is missing. Install it: `apt-get install wrk` (Debian, Ubuntu), `brew install wrk` (macOS)."
        )
    return path


def wrk_version() -> str:
    """The first line of `wrk --version`, which exits with a status of its own."""
    shown = subprocess.run([wrk(), "--version"], capture_output=True, text=True, check=False)
    return (shown.stdout + shown.stderr).split(" Copyright")[0].strip()


def fire(url: str, *, body: bytes, authorization: str, connections: int, seconds: float) -> Measured:
    """Post `body` to `url` for `seconds`, from one thread. Raises LoadFailed when any answer was an error."""
    done = subprocess.run(
        [wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(_SCRIPT), url],
        env={**os.environ, "LOAD_BODY": body.decode(), "LOAD_AUTHORIZATION": authorization},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LoadFailed(f"wrk failed: {done.stderr or done.stdout}")
    counted = json.loads(done.stdout.strip().rpartition("\n")[2])
    if counted["bad_status"] or counted["broken"] or not counted["requests"]:
        raise LoadFailed(f"{url}: errors under load: {counted}")
    return Measured(
        throughput=counted["requests"] / (counted["microseconds"] / 1e6),
        p50=counted["p50"] / 1000,
        p99=counted["p99"] / 1000,
    )
