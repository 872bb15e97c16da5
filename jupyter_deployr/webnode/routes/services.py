"""Services management APIs, and the Swagger document of each version."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from jupyter_deployr.protocol.models import ParameterDefinition, PublishWebServiceRequest, WebService
from jupyter_deployr.protocol.swagger import ServiceDescription, service_document
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.names import consume_path
from jupyter_deployr.webnode.store import Parameters, StoredVersion
from jupyter_deployr.webnode.times import creation_time

router = APIRouter(tags=["Services Management APIs"])


def _definitions(parameters: Parameters) -> list[ParameterDefinition]:
    return [ParameterDefinition(name, kind) for name, kind in parameters]


def _as_seen_by(caller: Principal, stored: StoredVersion) -> WebService:
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
    )


@router.get("/services", operation_id="getAllWebServices")
async def get_all_web_services(node: Node, caller: Caller) -> list[WebService]:
    """Every version of every service, oldest first."""
    return [_as_seen_by(caller, stored) for stored in node.catalog.all()]


@router.get("/services/{name}", operation_id="getAllWebServiceVersionsByName")
async def get_all_web_service_versions_by_name(name: str, node: Node, caller: Caller) -> list[WebService]:
    """The versions of one service, oldest first; none for an unknown name."""
    return [_as_seen_by(caller, stored) for stored in node.catalog.of(name)]


@router.get("/services/{name}/{version}", operation_id="getWebServiceVersion")
async def get_web_service_version(name: str, version: str, node: Node, caller: Caller) -> list[WebService]:
    """One version, as a list of one."""
    return [_as_seen_by(caller, node.catalog.get(name, version).stored)]


@router.post("/services/{name}", operation_id="publishWebService", status_code=201)
async def publish_web_service(name: str, publish_request: PublishWebServiceRequest, node: Node, caller: Caller) -> str:
    """Publish under a GUID as the version; returns the path that answers calls."""
    stored = await node.catalog.publish(caller, name, None, publish_request)
    return consume_path(stored.name, stored.version)


@router.post("/services/{name}/{version}", operation_id="publishWebServiceVersion", status_code=201)
async def publish_web_service_version(
    name: str, version: str, publish_request: PublishWebServiceRequest, node: Node, caller: Caller
) -> str:
    """Publish a version; returns the path that answers calls."""
    stored = await node.catalog.publish(caller, name, version, publish_request)
    return consume_path(stored.name, stored.version)


@router.patch("/services/{name}/{version}", operation_id="patchWebServiceVersion")
async def patch_web_service_version(
    name: str, version: str, patch_request: PublishWebServiceRequest, node: Node, caller: Caller
) -> str:
    """Change what the request gives and keep the rest; returns the path that answers calls."""
    stored = await node.catalog.patch(caller, name, version, patch_request)
    return consume_path(stored.name, stored.version)


@router.delete("/services/{name}/{version}", operation_id="deleteWebServiceVersion", response_class=Response)
async def delete_web_service_version(name: str, version: str, node: Node, caller: Caller) -> Response:
    """Delete a version."""
    await node.catalog.delete(caller, name, version)
    return Response()


@router.get(
    "/api/{name}/{version}/swagger.json", operation_id="GetWebServiceSwagger", tags=["Service Consumption APIs"]
)
async def get_web_service_swagger(name: str, version: str, node: Node, caller: Caller) -> dict[str, Any]:
    """The Swagger document of one version."""
    stored = node.catalog.get(name, version).stored
    return service_document(
        ServiceDescription(
            name=stored.name,
            version=stored.version,
            description=stored.description,
            operation_id=stored.operation_id,
            inputs=stored.inputs,
            outputs=stored.outputs,
            output_file_names=stored.output_files,
        )
    )
