"""The published versions: publishing, patching and deleting them, and the pools that answer their calls."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from jupyter_deployr.computenode import (
    CodeError,
    ComputeNode,
    Isolation,
    LoadFailed,
    ServiceDefinition,
    ServicePool,
    Snapshot,
    SnapshotError,
    compile_code,
    fail_point,
)
from jupyter_deployr.protocol.definitions import checked_parameters
from jupyter_deployr.protocol.errors import (
    BadRequest,
    Conflict,
    DeployRError,
    Forbidden,
    NotFound,
)
from jupyter_deployr.protocol.models import PublishWebServiceRequest
from jupyter_deployr.webnode.activity import Activity
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.content_watch import ContentWatch, broken
from jupyter_deployr.webnode.events import Change, ChangeFeed
from jupyter_deployr.webnode.names import check_alias, check_name, consume_path
from jupyter_deployr.webnode.snapshots import SnapshotLibrary
from jupyter_deployr.webnode.store import StoredSnapshot, StoredVersion, VersionStore
from jupyter_deployr.webnode.version_changes import VersionChanges

_log = logging.getLogger(__name__)

_ASK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class PublishedVersion:
    """A version that answers calls."""

    stored: StoredVersion
    pool: ServicePool
    activity: Activity = field(default_factory=Activity)


class Catalog:
    """All versions of this server, in the order of publishing.

    A version is visible when, and only when, it is in the database; it gets there in one transaction, after a clean
    worker has loaded it.
    """

    def __init__(self, store: VersionStore, snapshots: SnapshotLibrary, node: ComputeNode, feed: ChangeFeed) -> None:
        self._store = store
        self._snapshots = snapshots
        self._node = node
        self._feed = feed
        self._contents = ContentWatch(snapshots.checks)
        self._versions: dict[tuple[str, str], PublishedVersion] = {}
        self._by_path: dict[bytes, PublishedVersion] = {}
        self._changes = VersionChanges(lambda key: self._in_background(self._settle(key)))
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read the versions from the database. Their workers start with their first calls, and their contents are
        looked at meanwhile, and from then on."""
        for stored in await asyncio.to_thread(self._store.all):
            self._show(PublishedVersion(stored, self.new_pool(stored)))
        self._in_background(self._contents.keep_looking())

    async def close(self) -> None:
        """End all workers at once: calls have been drained by now."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(published.pool.close(0) for published in self._versions.values()))

    # ----------------------------------------------------------------------------------------------- look-up

    def at(self, raw_path: bytes) -> PublishedVersion | None:
        """The version that a raw request path calls, also when the path is encoded in another way than ours."""
        found = self._by_path.get(raw_path)
        if found is None:
            parts = raw_path.split(b"/")
            if len(parts) == 4:
                try:
                    name, version = (unquote(part, errors="strict") for part in parts[2:])
                except UnicodeDecodeError:
                    return None
                found = self._versions.get((name, version))
        return found

    def published(self) -> list[PublishedVersion]:
        """Every version, oldest first, with what answers its calls."""
        return list(self._versions.values())

    def all(self) -> list[StoredVersion]:
        """Every version, oldest first."""
        return [published.stored for published in self._versions.values()]

    def of(self, name: str) -> list[StoredVersion]:
        """The versions of one name, oldest first; empty for an unknown name."""
        return [stored for stored in self.all() if stored.name == name]

    def get(self, name: str, version: str) -> PublishedVersion:
        """One version. Raises NotFound."""
        try:
            return self._versions[name, version]
        except KeyError:
            raise NotFound(f"There is no service {name} {version}.") from None

    def broken(self, stored: StoredVersion) -> str | None:
        """What keeps a version from answering calls and what to do, as far as it is known; None when nothing does."""
        return self._snapshots.checks.known(stored.digest)

    # ---------------------------------------------------------------------------------------------- changing

    async def publish(
        self, principal: Principal, name: str, version: str | None, request: PublishWebServiceRequest
    ) -> StoredVersion:
        """Publish a new version; without a version it gets a GUID.

        Raises BadRequest (also when no clean worker can load it), Forbidden, NotFound (the snapshot), Conflict.
        """
        if not principal.may_publish:
            raise Forbidden(f"The role {principal.role} may not publish services.")
        key = check_name("service name", name), check_name("version", version or str(uuid.uuid4()))
        async with self._changes.one(key):
            if key in self._versions:
                raise Conflict(f"{key[0]} {key[1]} exists already. Publish another version, or patch this one.")
            self._check_owner(principal, key[0])
            _check_runtime(request.runtime_type)
            if request.code is None:
                raise _no_code()
            stored = StoredVersion(
                name=key[0],
                version=key[1],
                published_by=principal.name,
                created=time.time(),
                description=None,
                operation_id=None,
                code="",
                init_code=None,
                inputs=(),
                outputs=(),
                output_files=(),
                snapshot_id=None,
                digest=None,
                isolation=Isolation.NAMESPACE,
            )
            async with self._snapshot_of(principal, request) as snapshot:
                stored = await self._with_request(stored, request, snapshot)
                async with self._started(stored) as pool:
                    fail_point("publish.loaded")
                    stored = replace(stored, notes=pool.notes)
                    await asyncio.to_thread(self._store.add, stored)
                    fail_point("publish.committed")
                    self._show(PublishedVersion(stored, pool))
            self._feed.service(Change.CREATED, stored)
        return stored

    async def patch(
        self, principal: Principal, name: str, version: str, request: PublishWebServiceRequest
    ) -> StoredVersion:
        """Change the members that the request gives; null keeps what is there. Raises as `publish` does."""
        key = name, version
        async with self._changes.one(key), AsyncExitStack() as hold:
            old = self.changeable(principal, key)
            _check_runtime(request.runtime_type)
            hold.enter_context(self._snapshots.pinned(old.stored.digest))
            async with self._snapshot_of(principal, request) as snapshot:
                stored = await self._with_request(old.stored, request, snapshot)
                if self._definition(stored) == self._definition(old.stored):
                    await asyncio.to_thread(self._store.replace, stored)
                    fail_point("patch.committed")
                    self._show(PublishedVersion(stored, old.pool))
                    self._feed.service(Change.CHANGED, stored)
                    return stored
                async with self._started(stored) as pool:
                    fail_point("patch.loaded")
                    stored = replace(stored, notes=pool.notes)
                    await asyncio.to_thread(self._store.replace, stored)
                    fail_point("patch.committed")
                    self._show(PublishedVersion(stored, pool))
            self._feed.service(Change.CHANGED, stored)
            self._retire(old.pool, hold.pop_all())
        return stored

    async def delete(self, principal: Principal, name: str, version: str) -> None:
        """Delete a version; calls that have begun end on it. Raises NotFound, Forbidden, Conflict."""
        key = name, version
        async with self._changes.one(key), AsyncExitStack() as hold:
            old = self.changeable(principal, key)
            hold.enter_context(self._snapshots.pinned(old.stored.digest))
            await asyncio.to_thread(self._store.remove, name, version)
            fail_point("delete.committed")
            self._hide(key)
            self._feed.service(Change.REMOVED, old.stored)
            self._retire(old.pool, hold.pop_all())

    async def end_workers(self, principal: Principal, name: str, version: str) -> None:
        """Let the workers of a version end; the next call starts new ones. Raises NotFound, Forbidden, Conflict."""
        key = name, version
        async with self._changes.one(key), AsyncExitStack() as hold:
            old = self.changeable(principal, key)
            hold.enter_context(self._snapshots.pinned(old.stored.digest))
            self._show(PublishedVersion(old.stored, self.new_pool(old.stored)))
            self._retire(old.pool, hold.pop_all())

    def _show(self, published: PublishedVersion) -> None:
        stored = published.stored
        shown = self._versions.get((stored.name, stored.version))
        if shown is not None:
            published = replace(published, activity=shown.activity)
        self._versions[stored.name, stored.version] = published
        self._by_path[consume_path(stored.name, stored.version).encode()] = published

    def _hide(self, key: tuple[str, str]) -> None:
        del self._versions[key]
        del self._by_path[consume_path(*key).encode()]

    def _retire(self, pool: ServicePool, hold: AsyncExitStack) -> None:
        """Let the calls of a pool end that nothing leads to any more; until then, `hold` keeps what they run on."""

        async def end() -> None:
            async with hold:
                await pool.close()
            await self._snapshots.collect()

        self._in_background(end())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settle(self, key: tuple[str, str]) -> None:
        """Show what the database has of a version, as soon as it can be asked; until then it can't be changed."""
        shown = self._versions.get(key)
        async with AsyncExitStack() as hold:
            if shown is not None:
                hold.enter_context(self._snapshots.pinned(shown.stored.digest))
            stored = await self._stored(key)
            if stored != (shown and shown.stored):
                if stored is None:
                    self._hide(key)
                else:
                    self._show(PublishedVersion(stored, self.new_pool(stored)))
                self._feed_settled(shown, stored)
                if shown is not None:
                    self._retire(shown.pool, hold.pop_all())

    def _feed_settled(self, shown: PublishedVersion | None, stored: StoredVersion | None) -> None:
        if stored is not None:
            self._feed.service(Change.CREATED if shown is None else Change.CHANGED, stored)
        elif shown is not None:
            self._feed.service(Change.REMOVED, shown.stored)

    async def _stored(self, key: tuple[str, str]) -> StoredVersion | None:
        while True:
            try:
                return await asyncio.to_thread(self._store.find, *key)
            except DeployRError:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)

    def changeable(self, principal: Principal, key: tuple[str, str]) -> PublishedVersion:
        """A version that the caller may change. Raises NotFound, Forbidden."""
        published = self.get(*key)
        if not principal.may_change(published.stored.published_by):
            raise Forbidden(
                f"Only its publisher {published.stored.published_by!r} or an Owner may change {' '.join(key)}."
            )
        return published

    def _check_owner(self, principal: Principal, name: str) -> None:
        versions = self.of(name)
        if versions and not principal.may_change(versions[0].published_by):
            raise Forbidden(f"The service {name} belongs to another user; publish under another name.")

    @asynccontextmanager
    async def _snapshot_of(
        self, principal: Principal, request: PublishWebServiceRequest
    ) -> AsyncIterator[StoredSnapshot | None]:
        """The snapshot that the request names, kept during the block.

        Raises NotFound, ServerFault when its content is damaged, BadRequest when it can't be loaded here.
        """
        if not request.snapshot_id:
            yield None
            return
        async with self._snapshots.held(principal, request.snapshot_id) as snapshot:
            fault = await asyncio.to_thread(self._snapshots.checks.check, snapshot.digest)
            if fault is not None:
                raise BadRequest(fault, fields=["snapshotId"])
            yield snapshot

    async def _with_request(
        self, stored: StoredVersion, request: PublishWebServiceRequest, snapshot: StoredSnapshot | None
    ) -> StoredVersion:
        """`stored` with what the request gives. Raises BadRequest."""
        changes: dict[str, object] = {}
        if request.isolation is not None and request.isolation not in list(Isolation):
            kinds = ", ".join(Isolation)
            raise BadRequest(f"The isolation {request.isolation!r} is none of {kinds}.", fields=["isolation"])
        for member in ("description", "code", "init_code", "isolation"):
            given = getattr(request, member)
            if given is not None:
                changes[member] = given
        if request.code is not None and not request.code.strip():
            raise _no_code()
        if request.operation_id:
            changes["operation_id"] = check_alias(request.operation_id)
        inputs, outputs = checked_parameters(request.input_parameter_definitions, request.output_parameter_definitions)
        if inputs is not None:
            changes["inputs"] = inputs
        if outputs is not None:
            changes["outputs"] = outputs
        if request.output_file_names is not None:
            changes["output_files"] = _file_names(request.output_file_names)
        if snapshot is not None:
            keeps = stored.digest is not None and request.code is None and await self._is_empty(snapshot.digest)
            if not keeps:
                changes |= {"snapshot_id": snapshot.id, "digest": snapshot.digest}
        for member, filename in (("code", "code"), ("init_code", "initCode")):
            try:
                compile_code(str(changes.get(member) or ""), filename)
            except CodeError as error:
                raise BadRequest(f"The {filename} doesn't compile: {error}.", fields=[filename]) from None
        return replace(stored, **changes)  # type: ignore[arg-type]

    async def _is_empty(self, digest: str) -> bool:
        """Whether a snapshot holds nothing: old clients send such a one with every patch."""
        try:
            return await asyncio.to_thread(lambda: Snapshot(self._snapshots.path(digest)).empty)
        except SnapshotError as error:
            raise BadRequest(str(error), fields=["snapshotId"]) from None

    @asynccontextmanager
    async def _started(self, stored: StoredVersion) -> AsyncIterator[ServicePool]:
        """A pool that has loaded the version in a clean worker; ended again when the block fails. Raises BadRequest."""
        pool = self.new_pool(stored)
        try:
            await pool.start()
            yield pool
        except LoadFailed as failure:
            await pool.close()
            if failure.traceback_text:
                _log.info("%s %s can't be loaded:\n%s", stored.name, stored.version, failure.traceback_text)
            reason = " ".join(str(failure).split())
            raise BadRequest(f"{stored.name} {stored.version} can't be loaded: {reason}") from None
        except BaseException:
            await pool.close()
            raise

    def new_pool(self, stored: StoredVersion) -> ServicePool:
        """Workers of their own for a version in some state, whose snapshot the caller has pinned."""

        async def check() -> None:
            if stored.digest is not None:
                fault = await asyncio.to_thread(self._snapshots.checks.check, stored.digest)
                if fault is not None:
                    raise broken(definition.label, fault)

        definition = self._definition(stored)
        pool = self._node.service(definition, check)
        if stored.digest is not None:
            self._contents.add(pool, stored.digest)
        return pool

    def _definition(self, stored: StoredVersion) -> ServiceDefinition:
        return ServiceDefinition(
            label=f"{stored.name} {stored.version}",
            code=stored.code,
            init_code=stored.init_code or "",
            inputs=tuple(parameter.for_calls for parameter in stored.inputs),
            outputs=tuple(parameter.for_calls for parameter in stored.outputs),
            output_files=stored.output_files,
            snapshot=None if stored.digest is None else str(self._snapshots.path(stored.digest)),
            isolation=stored.isolation,
        )


def _no_code() -> BadRequest:
    return BadRequest("The code of the service is missing.", fields=["code"])


def _check_runtime(runtime: str | None) -> None:
    if runtime not in (None, "Python"):
        raise BadRequest(
            f"The runtime type {runtime!r} is not offered by this server: it runs Python.", fields=["runtimeType"]
        )


def _file_names(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if not name or name in (".", "..") or name != name.strip() or any(sign in name for sign in "/\\\0"):
            raise BadRequest(f"The output file name {name!r} must be a plain file name.", fields=["outputFileNames"])
    return tuple(dict.fromkeys(names))
