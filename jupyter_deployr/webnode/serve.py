"""The server process: from its settings to a listening socket, and down again without loose ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import filelock
import uvicorn

from jupyter_deployr import __version__
from jupyter_deployr.computenode import ComputeSettings, LocalComputeNode
from jupyter_deployr.protocol.errors import Unavailable
from jupyter_deployr.protocol.places import remove_drafts, remove_record, write_record
from jupyter_deployr.webnode.application import Application
from jupyter_deployr.webnode.auth import (
    PASSWORD_VARIABLE,
    DamagedKey,
    LocalAccounts,
    Logins,
    SigningKeys,
    Tokens,
    TokenSigner,
    WeakPassword,
)
from jupyter_deployr.webnode.batches import Batches
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.context import WebNode
from jupyter_deployr.webnode.crowd import Crowd
from jupyter_deployr.webnode.events import ChangeFeed
from jupyter_deployr.webnode.joined_writes import JoinedWritesProtocol
from jupyter_deployr.webnode.live_sessions import LiveSessions
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.slow_requests import SlowRequests
from jupyter_deployr.webnode.snapshots import SnapshotLibrary
from jupyter_deployr.webnode.store import (
    AccessChanges,
    AccountStore,
    BatchStore,
    Blobs,
    Database,
    DatabaseTooNew,
    DriverMissing,
    OtherDataDirectory,
    SnapshotStore,
    TokenFamilyStore,
    VersionStore,
    bind,
)
from jupyter_deployr.webnode.watch import Watch

_log = logging.getLogger(__name__)

# uvicorn has a line for each of these, however many: what is answered is logged in head_limit.py, within bounds.
_UVICORN_REPEATS = ("Invalid HTTP request received.", "Unsupported upgrade request.", "No supported WebSocket library")
# All that wait to be accepted are, at once: they must find room beside what is open.
_MOST_BACKLOG = 2048
_OPEN_FILES = 65_536
_SIGNING_KEYS = "signing-keys"


class CannotStart(Exception):
    """Why the server can't start, in one line."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart."""
    # Nothing that is kept is for other accounts, wherever the data directory is and whoever made it.
    os.umask(0o077)
    logging.getLogger("uvicorn.error").addFilter(lambda record: not str(record.msg).startswith(_UVICORN_REPEATS))
    if sys.platform == "win32":
        asyncio.run(_serve(settings))
    else:
        import uvloop

        uvloop.run(_serve(settings))


def _open_files() -> int:
    """How many files the server may open, after it has asked for room for many connections: what a shell allows is
    often a thousand."""
    if sys.platform == "win32":
        return _OPEN_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems allow less than they say.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _OPEN_FILES if soft == resource.RLIM_INFINITY else soft


async def _serve(settings: Settings) -> None:
    open_files = _open_files()
    backlog = min(_MOST_BACKLOG, max(16, open_files // 8))
    with _data_directory(settings.data_dir), _listening(settings, backlog) as listener:
        async with _web_node(settings, listener) as node:
            server = _Server(
                uvicorn.Config(
                    Application(node),
                    http=cast(type[asyncio.Protocol], partial(JoinedWritesProtocol, crowd=Crowd(open_files))),
                    backlog=backlog,
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    timeout_keep_alive=settings.keep_alive_seconds,
                    timeout_graceful_shutdown=settings.drain_seconds,
                ),
                settings.data_dir,
                _url(listener),
                (node.feed.close, node.batches.wind_down),
                SlowRequests(settings.slow_request_seconds),
            )
            await server.serve([listener])


class _Server(uvicorn.Server):
    """Says when it accepts requests, and ends on a signal only after what runs has been drained."""

    def __init__(
        self,
        config: uvicorn.Config,
        data_dir: Path,
        url: str,
        on_end: Sequence[Callable[[], None]],
        slow_requests: SlowRequests,
    ) -> None:
        super().__init__(config)
        self._slow_requests = slow_requests
        self._data_dir = data_dir
        self._url = url
        self._on_end = on_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is here now stays: a collection need not look through it while calls wait.
        gc.collect()
        gc.freeze()
        try:
            write_record(self._data_dir, self._url, __version__)
        except OSError as error:
            # It answers all the same; only those who look for it there don't find it.
            _log.warning("the server can't be announced in Jupyter's runtime directory: %s", error)
        print(f"DeployR server ready at {self._url}", flush=True)

    async def on_tick(self, counter: int) -> bool:
        # Ten times a second.
        if counter % 5 == 0:
            self._slow_requests.look(self.server_state.connections)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            remove_record(self._data_dir)

    def _end(self) -> None:
        self.should_exit = True
        for callback in self._on_end:
            callback()


@contextlib.contextmanager
def _data_directory(path: Path) -> Iterator[None]:
    """The data directory, made if need be and held by this process alone. Raises CannotStart."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = filelock.FileLock(path / "server.lock", mode=0o600)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise CannotStart(f"the data directory {path} is in use by another server") from None
    except OSError as error:
        raise CannotStart(f"the data directory {path} can't be used: {error.strerror or error}") from None
    with lock:
        for directory in (path, path / _SIGNING_KEYS):
            remove_drafts(directory)
        yield


@contextlib.contextmanager
def _listening(settings: Settings, backlog: int) -> Iterator[socket.socket]:
    """A bound socket. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in settings.ip else socket.AF_INET
    listener = socket.socket(family)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            try:
                listener.bind((settings.ip, settings.port))
            except OSError as error:
                if not settings.embedded or error.errno != errno.EADDRINUSE:
                    raise
                listener.bind((settings.ip, 0))
            listener.listen(backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(f"port {settings.port} on {settings.ip} is taken by another program") from None
            raise CannotStart(f"{settings.ip}:{settings.port} can't be used: {error.strerror or error}") from None
        except OverflowError:
            raise CannotStart(f"{settings.port} is not a port number") from None
        listener.setblocking(False)
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


@contextlib.asynccontextmanager
async def _web_node(settings: Settings, listener: socket.socket) -> AsyncIterator[WebNode]:
    """The parts of the web node, started; all ended again at the end. Raises CannotStart."""
    data = settings.data_dir
    compute = _compute_node(data / "scratch", settings.compute)
    # The zygote imports in its own process while this one opens the database.
    starting = asyncio.create_task(compute.start())
    try:
        database = await asyncio.to_thread(_own_database, settings)
        accounts = LocalAccounts(AccountStore(database), data)
        await asyncio.to_thread(_prepare_admin, accounts, _is_loopback(listener))
        signer = TokenSigner(signing_keys(settings))
        tokens = Tokens(TokenFamilyStore(database), accounts, AccessChanges(database), signer, settings)
        versions, feed = VersionStore(database), ChangeFeed()
        snapshots = SnapshotLibrary(SnapshotStore(database), versions, Blobs(data / "blobs"), compute, feed)
        await snapshots.collect()
        catalog = Catalog(versions, snapshots, compute, feed)
        await catalog.load()
        sessions = LiveSessions(compute, snapshots, feed, settings.max_sessions, settings.idle_session_seconds)
        await _ready(starting)
        compute.warm_up()
        batches = Batches(
            BatchStore(database),
            catalog,
            snapshots,
            max_records=settings.max_batch_records,
            retention_seconds=settings.batch_retention_seconds,
            drain_seconds=settings.drain_seconds,
        )
        batches.resume()
        following = asyncio.create_task(tokens.follow_changes())
        watching = asyncio.create_task(Watch(catalog, sessions, feed).keep_looking())
        yield WebNode(settings, Logins(accounts, tokens), tokens, catalog, snapshots, sessions, batches, compute, feed)
        following.cancel()
        watching.cancel()
        await batches.close()
        await sessions.close_all()
        await catalog.close()
        database.close()
    finally:
        starting.cancel()
        await compute.stop()


async def _ready(starting: asyncio.Task[None]) -> None:
    try:
        await starting
    except Unavailable as error:
        raise CannotStart(str(error)) from None


def _compute_node(scratch: Path, settings: ComputeSettings) -> LocalComputeNode:
    try:
        return LocalComputeNode(scratch, settings)
    except FileExistsError as error:
        raise CannotStart(f"{error.filename} can't be emptied") from None
    except OSError as error:
        raise CannotStart(f"{error.filename} can't be used: {error.strerror or error}") from None


def open_database(settings: Settings) -> Database:
    """The database, its tables up to date. Raises CannotStart."""
    try:
        return Database(settings.database_url, settings.database_busy_seconds)
    except (DatabaseTooNew, DriverMissing) as error:
        raise CannotStart(str(error)) from None
    except Exception as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise CannotStart(f"the database can't be opened: {reason}") from error


def _own_database(settings: Settings) -> Database:
    """The database, for this data directory alone. Raises CannotStart."""
    database = open_database(settings)
    if settings.database is not None:
        try:
            bind(database, settings.data_dir)
        except OtherDataDirectory as error:
            raise CannotStart(str(error)) from None
    return database


def signing_keys(settings: Settings) -> SigningKeys:
    """The keys that sign access tokens. Raises CannotStart."""
    directory = settings.data_dir / _SIGNING_KEYS
    try:
        return SigningKeys(directory, settings.access_token_seconds, settings.signing_key_seconds)
    except DamagedKey as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"the signing keys in {directory} can't be used: {error.strerror or error}") from None


def _prepare_admin(accounts: LocalAccounts, loopback: bool) -> None:
    try:
        chosen = accounts.prepare_admin()
    except WeakPassword as error:
        raise CannotStart(str(error)) from None
    if not chosen and not loopback:
        raise CannotStart(
            f"without an administrator's password the server listens on loopback only: set {PASSWORD_VARIABLE}"
        )
