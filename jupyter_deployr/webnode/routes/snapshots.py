"""Snapshot APIs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from jupyter_deployr.computenode import Selection
from jupyter_deployr.protocol.errors import DeployRError
from jupyter_deployr.protocol.models import (
    CreateSnapshotRequest,
    CreateSnapshotResponse,
    LoadSnapshotResponse,
    SavedObject,
    Snapshot,
    SnapshotProgress,
    UnkeptObject,
    to_wire,
)
from jupyter_deployr.protocol.strict_json import write_json
from jupyter_deployr.webnode.answers import failing, file
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.downloads import WrittenContent
from jupyter_deployr.webnode.json_bodies import JsonRoute
from jupyter_deployr.webnode.store import StoredSnapshot
from jupyter_deployr.webnode.times import creation_time

router = APIRouter(route_class=JsonRoute, tags=["Snapshot APIs"])

_LINES = "application/x-ndjson"


@router.post(
    "/sessions/{id}/snapshot",
    operation_id="CreateSnapshot",
    responses=failing(403, 404, 409, 410, 502),
    status_code=201,
    response_model=CreateSnapshotResponse,
)
async def create_snapshot(
    id: str,  # noqa: A002
    request: Request,
    node: Node,
    caller: Caller,
    create_snapshot_request: CreateSnapshotRequest | None = None,
) -> Any:
    """Save the workspace and the working directory of a session, or what is selected of them.

    A client that accepts `application/x-ndjson` gets a line with the progress now and then while a long one is being
    saved; the last line is the response, or the Error body.
    """
    asked = create_snapshot_request or CreateSnapshotRequest()
    live = node.sessions.get(caller, id)
    selection = Selection(asked.only, asked.drop or (), bool(asked.strict))
    lines: asyncio.Queue[SnapshotProgress | None] = asyncio.Queue()

    def progress(name: str, written: int) -> None:
        lines.put_nowait(SnapshotProgress(name, written))

    creating = asyncio.create_task(node.snapshots.create(caller, live.session, asked.name, selection, progress))
    creating.add_done_callback(lambda _: lines.put_nowait(None))
    if _LINES in request.headers.get("accept", ""):
        first = await lines.get()
        if first is not None:
            # From here on the status is out, so a failure can only be told in the last line.
            return StreamingResponse(_progress(first, lines, creating), 201, media_type=_LINES)
    return _created(await asyncio.shield(creating))


async def _progress(
    line: SnapshotProgress | None,
    lines: asyncio.Queue[SnapshotProgress | None],
    creating: asyncio.Task[StoredSnapshot],
) -> AsyncIterator[bytes]:
    while line is not None:
        yield to_wire(line) + b"\n"
        line = await lines.get()
    try:
        yield to_wire(_created(creating.result())) + b"\n"
    except DeployRError as error:
        yield write_json(error.body) + b"\n"


def _created(stored: StoredSnapshot) -> CreateSnapshotResponse:
    return CreateSnapshotResponse(stored.id, _unkept(stored), stored.size, _largest(stored))


def _unkept(stored: StoredSnapshot) -> list[UnkeptObject]:
    return [UnkeptObject(*entry) for entry in stored.not_kept]


def _largest(stored: StoredSnapshot) -> list[SavedObject]:
    return [SavedObject(*entry) for entry in stored.largest]


def _broken(node: Node, stored: StoredSnapshot) -> str | None:
    damage = node.snapshots.checks.damage(stored.digest)
    return None if damage is None else f"Its content {damage}: delete it and save it anew."


@router.post(
    "/sessions/{id}/loadsnapshot/{snapshotId}", operation_id="LoadSnapshot", responses=failing(403, 404, 409, 410, 502)
)
async def load_snapshot(id: str, snapshotId: str, node: Node, caller: Caller) -> LoadSnapshotResponse:  # noqa: A002, N803
    """Merge a snapshot into a live session."""
    live = node.sessions.get(caller, id)
    async with node.snapshots.held(caller, snapshotId) as snapshot:
        await live.session.load(node.snapshots.path(snapshot.digest))
    return LoadSnapshotResponse(node.compute.differences(snapshot.manifest))


@router.get("/snapshots", operation_id="ListSnapshots")
async def list_snapshots(node: Node, caller: Caller) -> list[Snapshot]:
    """The caller's snapshots, oldest first."""
    return [
        Snapshot(
            id=stored.id,
            name=stored.name,
            owner=stored.owner,
            creation_time=creation_time(stored.created),
            content_size=stored.size,
            python_version=stored.manifest.get("python"),
            platform=stored.manifest.get("platform"),
            distributions=stored.manifest.get("distributions", {}),
            differences=node.compute.differences(stored.manifest),
            not_kept=_unkept(stored),
            largest=_largest(stored),
            broken=_broken(node, stored),
        )
        for stored in await node.snapshots.of(caller)
    ]


@router.get(
    "/snapshots/{id}",
    operation_id="GetSnapshotContent",
    response_class=StreamingResponse,
    responses=file("application/zip", "The snapshot.") | failing(404, 502, 504),
)
async def get_snapshot_content(id: str, node: Node, caller: Caller) -> StreamingResponse:  # noqa: A002
    """A snapshot as a zip: workspace.dill (a dict of names and values), manifest.json, and the files below files/."""
    async with AsyncExitStack() as hold:
        snapshot = await hold.enter_async_context(node.snapshots.held(caller, id))
        pieces = await hold.enter_async_context(node.compute.export(node.snapshots.path(snapshot.digest)))
        return WrittenContent(pieces, f"{snapshot.name or snapshot.id}.zip", "application/zip", hold.pop_all())


@router.delete("/snapshots/{id}", operation_id="DeleteSnapshot", responses=failing(404))
async def delete_snapshot(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """Delete a snapshot; versions published from it stay whole."""
    await node.snapshots.delete(caller, id)
    return "The snapshot has been deleted."
