"""Batch executions of services, among the service consumption APIs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from jupyter_deployr.protocol.models import DEFAULT_PARALLEL_COUNT
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.downloads import attachment
from jupyter_deployr.webnode.media_types import check_body

# Each service's own document describes these routes, as it always has; the core document doesn't.
router = APIRouter(prefix="/api/{name}/{version}/batch", include_in_schema=False)

MAX_PARALLEL_COUNT = 1000


@router.post("", operation_id="StartBatchExecution")
async def start_batch_execution(
    name: str,
    version: str,
    request: Request,
    node: Node,
    caller: Caller,
    parallel_count: Annotated[int, Query(alias="parallelCount", ge=1, le=MAX_PARALLEL_COUNT)] = DEFAULT_PARALLEL_COUNT,
) -> Response:
    """Call the service for each record of an array of inputs, in the background."""
    node.catalog.get(name, version)
    body = await request.body()
    check_body(request.scope["headers"], body)
    identity = await node.batches.start(caller, name, version, parallel_count, body)
    # The one spelling is the published description's, the other what the product sent and its Python client reads.
    return JSONResponse({"batchExecutionId": identity, "BatchExecutionId": identity}, 202)


@router.get("", operation_id="GetBatchExecutions")
async def get_batch_executions(name: str, version: str, node: Node, caller: Caller) -> list[str]:
    """The ids of the caller's batch executions of this version, oldest first."""
    return await node.batches.of(caller, name, version)


@router.get("/{executionId}", operation_id="GetBatchExecutionStatus")
async def get_batch_execution_status(
    name: str,
    version: str,
    executionId: str,  # noqa: N803
    node: Node,
    caller: Caller,
    show_partial_results: Annotated[bool | None, Query(alias="showPartialResults")] = None,
    # How the product's Python client spells it.
    show_partial_result: Annotated[bool | None, Query(alias="showPartialResult")] = None,
) -> Response:
    """State and results; the results of an execution that isn't complete unless they are not wanted."""
    batch = await node.batches.get(caller, name, version, executionId)
    wanted = show_partial_results if show_partial_results is not None else show_partial_result
    document = node.batches.status(batch, partial=wanted is not False)
    return StreamingResponse(document, media_type="application/json")


@router.delete("/{executionId}", operation_id="CancelAndDeleteBatchExecution")
async def cancel_and_delete_batch_execution(
    name: str,
    version: str,
    executionId: str,  # noqa: N803
    node: Node,
    caller: Caller,
) -> list[str]:
    """Stop an execution if it runs, and remove its results and files; returns the id."""
    batch = await node.batches.get(caller, name, version, executionId)
    await node.batches.delete(batch)
    return [batch.id]


@router.get("/{executionId}/{index}/files", operation_id="GetBatchExecutionFiles")
async def get_batch_execution_files(
    name: str,
    version: str,
    executionId: str,  # noqa: N803
    index: int,
    node: Node,
    caller: Caller,
) -> list[str]:
    """The names of the files that one record wrote."""
    batch = await node.batches.get(caller, name, version, executionId)
    return await node.batches.files(batch, index)


@router.get("/{executionId}/{index}/files/{fileName}", operation_id="GetBatchExecutionFile")
async def get_batch_execution_file(
    name: str,
    version: str,
    executionId: str,  # noqa: N803
    index: int,
    fileName: str,  # noqa: N803
    node: Node,
    caller: Caller,
) -> Response:
    """A file that one record wrote, as it is."""
    batch = await node.batches.get(caller, name, version, executionId)
    content = await node.batches.file(batch, index, fileName)
    return StreamingResponse(content, media_type="application/octet-stream", headers=attachment(fileName))
