"""The compute node as the web node sees it: services to call, sessions to drive, files to write snapshots to."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jupyter_deployr.computenode.definition import ServiceDefinition
from jupyter_deployr.computenode.exporting import exported
from jupyter_deployr.computenode.forking import ForkServer, compute_environment
from jupyter_deployr.computenode.manifest import differences, environment, other_python
from jupyter_deployr.computenode.pool import Check, ServicePool
from jupyter_deployr.computenode.sessions import Session
from jupyter_deployr.computenode.warm_sessions import WarmSessions
from jupyter_deployr.computenode.zygote import PRELOADED


class ComputeNode(Protocol):
    """Runs user code for a web node, in other processes than its own."""

    @property
    def endpoint(self) -> str:
        """What the API calls this compute node."""

    @property
    def ready(self) -> bool:
        """Whether sessions and workers can be started."""

    async def environment(self) -> Mapping[str, Any]:
        """Its `python`, `implementation` and `platform`, and the `distributions` installed: versions by name."""

    async def start(self) -> None:
        """Become ready. Raises Unavailable."""

    def warm_up(self) -> None:
        """Prepare, in the background, for sessions to come."""

    async def stop(self) -> None:
        """End every process that runs user code."""

    def service(self, definition: ServiceDefinition, check: Check | None = None) -> ServicePool:
        """A pool for one version; its workers start with the first call, or with `start`.

        `check` is awaited before each worker is started and raises what speaks against it.
        """

    async def open_session(self) -> Session:
        """A new live session. Raises Unavailable."""

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """How the packages here differ from those that a snapshot with that manifest was made with, in sentences."""

    def refusal(self, manifest: Mapping[str, Any]) -> str | None:
        """Why a snapshot with that manifest can't be loaded here, and what to do; None when it can."""

    def export(self, snapshot: Path) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The pieces of a snapshot as a zip that other programs can read, to be taken within the block.

        To enter it raises BadRequest when the snapshot can't be loaded here, StorageFull, WorkerLost, TimedOut. The
        pieces raise WorkerLost and TimedOut when they break off.
        """

    def draft(self) -> Path:
        """A path, not taken yet, for a session to save a snapshot to; on the same disk as the blobs."""


@dataclass(frozen=True)
class ComputeSettings:
    """How a local compute node runs: workers per version, calls that may wait per version, modules to preload,
    environment variables to pass on, threads for OpenMP and BLAS, sessions to keep started for who comes next, and how
    long an object may take to load, to be in a snapshot."""

    workers: int = 2
    max_queue: int = 1000
    preload: Sequence[str] = PRELOADED
    environment: Sequence[str] = ()
    threads: int = 1
    warm_sessions: int = 1
    snapshot_load_seconds: float = 60


class LocalComputeNode:
    """The compute node on the web node's own machine. `directory` is its scratch space and is emptied at start."""

    def __init__(self, directory: Path, settings: ComputeSettings) -> None:
        self._scratch = directory
        self._settings = settings
        self._sockets = _socket_directory(directory)
        for leftover in (self._scratch, self._sockets):
            shutil.rmtree(leftover, ignore_errors=True)
            leftover.mkdir(mode=0o700, parents=True)
        self._zygote = ForkServer(
            directory,
            preload=settings.preload,
            environment=compute_environment(settings.environment, settings.threads),
        )
        self._warm = WarmSessions(self._start_session, settings.warm_sessions)

    @property
    def endpoint(self) -> str:
        return "local"

    @property
    def ready(self) -> bool:
        return self._zygote.running

    async def environment(self) -> Mapping[str, Any]:
        return await asyncio.to_thread(environment)

    async def start(self) -> None:
        await self._zygote.start()

    def warm_up(self) -> None:
        self._warm.begin()

    async def stop(self) -> None:
        await self._warm.stop()
        await self._zygote.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def service(self, definition: ServiceDefinition, check: Check | None = None) -> ServicePool:
        return ServicePool(
            definition,
            self._zygote,
            self._scratch,
            size=self._settings.workers,
            max_queue=self._settings.max_queue,
            check=check,
        )

    async def open_session(self) -> Session:
        return await self._warm.take()

    async def _start_session(self) -> Session:
        session = Session(self._zygote, self._scratch, self._sockets, load_seconds=self._settings.snapshot_load_seconds)
        await session.start()
        return session

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        return differences(manifest)

    def refusal(self, manifest: Mapping[str, Any]) -> str | None:
        return other_python(manifest)

    def export(self, snapshot: Path) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return exported(self._zygote, snapshot, self.draft())

    def draft(self) -> Path:
        return self._scratch / f"draft-{secrets.token_hex(8)}"


def _socket_directory(scratch: Path) -> Path:
    """A short path of our own for unix sockets, the same for each run on the same scratch directory.

    Raises PermissionError when somebody else has made it first.
    """
    digest = hashlib.sha256(os.fsencode(scratch.resolve())).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"deployr-{os.getuid()}-{digest}"
    try:
        found = path.lstat()
    except FileNotFoundError:
        return path
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{path} belongs to somebody else; set TMPDIR to a directory of your own.")
    return path
