"""Snapshot APIs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from jupyter_deployr.protocol.models import CreateSnapshotRequest, CreateSnapshotResponse, Snapshot, UnkeptObject
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.times import creation_time

router = APIRouter(tags=["Snapshot APIs"])


@router.post("/sessions/{id}/snapshot", operation_id="CreateSnapshot", status_code=201)
async def create_snapshot(
    id: str,  # noqa: A002
    node: Node,
    caller: Caller,
    create_snapshot_request: CreateSnapshotRequest | None = None,
) -> CreateSnapshotResponse:
    """Save the workspace and the working directory of a session."""
    asked = create_snapshot_request or CreateSnapshotRequest()
    live = node.sessions.get(caller, id)
    snapshot, not_kept = await node.snapshots.create(caller, live.session, asked.name)
    return CreateSnapshotResponse(snapshot.id, [UnkeptObject(item.name, item.type, item.reason) for item in not_kept])


@router.post("/sessions/{id}/loadsnapshot/{snapshotId}", operation_id="LoadSnapshot", response_class=Response)
async def load_snapshot(id: str, snapshotId: str, node: Node, caller: Caller) -> Response:  # noqa: A002, N803
    """Merge a snapshot into a live session."""
    live = node.sessions.get(caller, id)
    snapshot = await node.snapshots.get(caller, snapshotId)
    with node.snapshots.pinned(snapshot.digest):
        await live.session.load(node.snapshots.path(snapshot.digest))
    return Response()


@router.get("/snapshots", operation_id="ListSnapshots")
async def list_snapshots(node: Node, caller: Caller) -> list[Snapshot]:
    """The caller's snapshots, oldest first."""
    return [
        Snapshot(stored.id, stored.name, stored.owner, creation_time(stored.created), stored.size)
        for stored in await node.snapshots.of(caller)
    ]


@router.delete("/snapshots/{id}", operation_id="DeleteSnapshot")
async def delete_snapshot(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """Delete a snapshot; versions published from it stay whole."""
    await node.snapshots.delete(caller, id)
    return "The snapshot has been deleted."
