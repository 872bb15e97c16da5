"""Services management APIs."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from jupyter_deployr.protocol.models import ParameterDefinition, PublishWebServiceRequest, WebService
from jupyter_deployr.protocol.parameters import Parameters
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.context import Caller, Node, WebNode
from jupyter_deployr.webnode.json_bodies import JsonRoute
from jupyter_deployr.webnode.names import consume_path
from jupyter_deployr.webnode.store import StoredVersion
from jupyter_deployr.webnode.times import creation_time
from jupyter_deployr.webnode.unknown_members import IgnoredMembers

router = APIRouter(route_class=JsonRoute, tags=["Services Management APIs"])

# A JSON list of sentences: the body of the answer is a bare string.
_NOTES = "X-DeployR-Notes"
_MAX_NOTES = 4000
_TOO_LONG = "The notes are long: read them in the metadata of the version."


def _definitions(parameters: Parameters) -> list[ParameterDefinition]:
    return [ParameterDefinition(each.name, each.type, **each.details) for each in parameters]


def _as_seen_by(caller: Principal, stored: StoredVersion, node: WebNode) -> WebService:
    """A version's metadata; its code is for those who may change it."""
    mine = caller.may_change(stored.published_by)
    return WebService(
        name=stored.name,
        version=stored.version,
        version_published_by=stored.published_by,
        creation_time=creation_time(stored.created),
        snapshot_id=stored.snapshot_id,
        runtime_type="Python",
        init_code=stored.init_code if mine else None,
        code=stored.code if mine else None,
        description=stored.description,
        operation_id=stored.operation_id,
        input_parameter_definitions=_definitions(stored.inputs),
        output_parameter_definitions=_definitions(stored.outputs),
        output_file_names=list(stored.output_files),
        my_permission_on_service="read/write" if mine else "read only",
        owner=stored.published_by,
        isolation=stored.isolation,
        notes=list(stored.notes) if mine else [],
        differences=node.snapshots.checks.differences(stored.digest) if mine else [],
        broken=node.catalog.broken(stored),
    )


def _answer(stored: StoredVersion, ignored: list[str], response: Response) -> str:
    """The path that answers calls; what the publisher should know of the version, and what of the request was ignored,
    goes into a header."""
    if ignored or stored.notes:
        notes = json.dumps([*ignored, *stored.notes])
        response.headers[_NOTES] = notes if len(notes) <= _MAX_NOTES else json.dumps([*ignored, _TOO_LONG])
    return consume_path(stored.name, stored.version)


@router.get("/services", operation_id="getAllWebServices")
async def get_all_web_services(node: Node, caller: Caller) -> list[WebService]:
    """Every version of every service, oldest first."""
    return [_as_seen_by(caller, stored, node) for stored in node.catalog.all()]


@router.get("/services/{name}", operation_id="getAllWebServiceVersionsByName")
async def get_all_web_service_versions_by_name(name: str, node: Node, caller: Caller) -> list[WebService]:
    """The versions of one service, oldest first; none for an unknown name."""
    return [_as_seen_by(caller, stored, node) for stored in node.catalog.of(name)]


@router.get("/services/{name}/{version}", operation_id="getWebServiceVersion", responses=failing(404))
async def get_web_service_version(name: str, version: str, node: Node, caller: Caller) -> list[WebService]:
    """One version, as a list of one."""
    return [_as_seen_by(caller, node.catalog.get(name, version).stored, node)]


@router.post("/services/{name}", operation_id="publishWebService", responses=failing(403, 404, 409), status_code=201)
async def publish_web_service(
    name: str,
    publish_request: PublishWebServiceRequest,
    ignored: IgnoredMembers,
    node: Node,
    caller: Caller,
    response: Response,
) -> str:
    """Publish under a GUID as the version; returns the path that answers calls."""
    stored = await node.catalog.publish(caller, name, None, publish_request)
    return _answer(stored, ignored, response)


@router.post(
    "/services/{name}/{version}",
    operation_id="publishWebServiceVersion",
    responses=failing(403, 404, 409),
    status_code=201,
)
async def publish_web_service_version(
    name: str,
    version: str,
    publish_request: PublishWebServiceRequest,
    ignored: IgnoredMembers,
    node: Node,
    caller: Caller,
    response: Response,
) -> str:
    """Publish a version; returns the path that answers calls."""
    stored = await node.catalog.publish(caller, name, version, publish_request)
    return _answer(stored, ignored, response)


@router.patch("/services/{name}/{version}", operation_id="patchWebServiceVersion", responses=failing(403, 404, 409))
async def patch_web_service_version(
    name: str,
    version: str,
    patch_request: PublishWebServiceRequest,
    ignored: IgnoredMembers,
    node: Node,
    caller: Caller,
    response: Response,
) -> str:
    """Change what the request gives and keep the rest; returns the path that answers calls."""
    stored = await node.catalog.patch(caller, name, version, patch_request)
    return _answer(stored, ignored, response)


@router.delete(
    "/services/{name}/{version}",
    operation_id="deleteWebServiceVersion",
    responses=failing(403, 404, 409),
    response_class=Response,
)
async def delete_web_service_version(name: str, version: str, node: Node, caller: Caller) -> Response:
    """Delete a version."""
    await node.catalog.delete(caller, name, version)
    return Response()
