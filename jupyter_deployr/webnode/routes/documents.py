"""The machine-readable documents: of the core API, open to all, and of each version, for those who are signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from jupyter_deployr.protocol.openapi import service_openapi
from jupyter_deployr.protocol.strict_json import write_json
from jupyter_deployr.protocol.swagger import ServiceDescription, service_document
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.core_document import core_openapi, core_swagger
from jupyter_deployr.webnode.store import StoredVersion

router = APIRouter(tags=["Service Consumption APIs"])


@cache
def _core(app: FastAPI, write: Callable[[FastAPI], dict[str, Any]]) -> bytes:
    """A document of the core API, made once: routes don't change while the server runs."""
    return write_json(write(app))


@router.get("/openapi.json", include_in_schema=False)
async def openapi_json(request: Request) -> Response:
    """The core API in OpenAPI 3.1."""
    return Response(_core(request.app, core_openapi), media_type="application/json")


@router.get("/swagger.json", include_in_schema=False)
async def swagger_json(request: Request) -> Response:
    """The core API in Swagger 2.0."""
    return Response(_core(request.app, core_swagger), media_type="application/json")


@router.get("/api/{name}/{version}/swagger.json", operation_id="GetWebServiceSwagger", responses=failing(404))
async def get_web_service_swagger(name: str, version: str, node: Node, caller: Caller) -> dict[str, Any]:
    """One version in Swagger 2.0."""
    return service_document(_described(node.catalog.get(name, version).stored))


@router.get("/api/{name}/{version}/openapi.json", operation_id="GetWebServiceOpenApi", responses=failing(404))
async def get_web_service_openapi(name: str, version: str, node: Node, caller: Caller) -> dict[str, Any]:
    """One version in OpenAPI 3.1."""
    return service_openapi(_described(node.catalog.get(name, version).stored))


def _described(stored: StoredVersion) -> ServiceDescription:
    return ServiceDescription(
        name=stored.name,
        version=stored.version,
        description=stored.description,
        operation_id=stored.operation_id,
        inputs=stored.inputs,
        outputs=stored.outputs,
        output_file_names=stored.output_files,
    )
