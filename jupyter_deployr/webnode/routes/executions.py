"""Code in sessions, among the session APIs: run it, follow it, stop it, and help to write it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from jupyter_deployr.computenode import Execution, ExecutionLog
from jupyter_deployr.protocol.errors import BadRequest, DeployRError
from jupyter_deployr.protocol.models import (
    CompleteRequest,
    ConsoleOutputResponse,
    ExecuteRequest,
    ExecuteResponse,
    InspectRequest,
)
from jupyter_deployr.protocol.parameters import check_name
from jupyter_deployr.protocol.strict_json import write_json
from jupyter_deployr.webnode.answers import failing, file
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.json_bodies import JsonRoute

router = APIRouter(route_class=JsonRoute, prefix="/sessions/{id}", tags=["Session APIs"])

_LINES = "application/x-ndjson"


@router.post(
    "/execute",
    operation_id="executeCode",
    responses=failing(403, 404, 409, 410, 502),
    response_model=ExecuteResponse,
)
async def execute_code(
    id: str,  # noqa: A002
    execute_request: ExecuteRequest,
    request: Request,
    node: Node,
    caller: Caller,
) -> Response:
    """Run code in a session and wait for its end.

    A client that accepts `application/x-ndjson` gets each Jupyter message of the execution as a line of its own, with
    a `seq`, while it runs; the last line, without one, is the response, or the Error body. The first has the
    `executionId`, as the header `X-Execution-Id` has. The execution goes on when the connection breaks.
    """
    if execute_request.code is None:
        raise BadRequest("The code to execute is missing.", fields=["code"])
    inputs = {check_name(given.name): given.value for given in execute_request.input_parameters or ()}
    outputs = [check_name(name) for name in execute_request.output_parameters or ()]
    session = node.sessions.get(caller, id).session
    if _LINES in request.headers.get("accept", ""):
        return _followed(session.begin(execute_request.code, inputs, outputs), 0)
    execution = await session.execute(execute_request.code, inputs, outputs)
    return Response(_encoded(execution), media_type="application/json")


@router.get(
    "/executions/{executionId}/events",
    operation_id="followExecution",
    response_class=StreamingResponse,
    responses=file(_LINES, "The lines of the execution.") | failing(403, 404, 410),
)
async def follow_execution(
    id: str,  # noqa: A002
    executionId: str,  # noqa: N803
    node: Node,
    caller: Caller,
    after: Annotated[int, Query(ge=0, description="The last `seq` that is known already.")] = 0,
) -> Response:
    """The lines of an execution that was begun as a stream, from after a `seq`: those so far, and those to come.

    Of what is no longer kept a line of the type `truncated` says how much is missing.
    """
    return _followed(node.sessions.get(caller, id).session.execution(executionId), after)


def _followed(log: ExecutionLog, after: int) -> Response:
    return StreamingResponse(_lines(log, after), media_type=_LINES, headers={"X-Execution-Id": log.id})


async def _lines(log: ExecutionLog, after: int) -> AsyncIterator[bytes]:
    async for line in log.follow(after):
        yield line
    try:
        yield _encoded(await log.outcome()) + b"\n"
    except DeployRError as error:
        # The status is out, so it can only be told here.
        yield write_json(error.body) + b"\n"


def _encoded(execution: Execution) -> bytes:
    # The session has encoded the outputs already; they go through as they are.
    outputs = [{"name": name, "value": orjson.Fragment(value)} for name, value in execution.outputs.items()]
    return orjson.dumps(
        {
            "success": execution.success,
            "errorMessage": execution.error_message,
            "outputParameters": outputs,
            "consoleOutput": execution.console_output,
            "changedFiles": execution.changed_files,
            "traceback": list(execution.traceback),
        }
    )


@router.post("/cancel", operation_id="cancelSession", responses=failing(403, 404, 410))
async def cancel_session(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """Interrupt what the session executes; the session lives on."""
    node.sessions.get(caller, id).session.interrupt()
    return "The execution has been interrupted."


@router.get("/console-output", operation_id="getSessionConsoleOutput", responses=failing(403, 404, 410))
async def get_session_console_output(id: str, node: Node, caller: Caller) -> ConsoleOutputResponse:  # noqa: A002
    """What the current execution has printed so far, or the last one if none runs."""
    return ConsoleOutputResponse(node.sessions.get(caller, id).session.console_output)


@router.get("/history", operation_id="listSessionHistory", responses=failing(403, 404, 410))
async def list_session_history(id: str, node: Node, caller: Caller) -> list[str]:  # noqa: A002
    """The code that the session has executed, the oldest first."""
    return node.sessions.get(caller, id).session.history


@router.post("/complete", operation_id="completeCode", responses=failing(403, 404, 410, 504))
async def complete_code(id: str, complete_request: CompleteRequest, node: Node, caller: Caller) -> dict[str, Any]:  # noqa: A002
    """What could stand at a place in code: Jupyter's `complete_reply`. Also while the session executes."""
    code, cursor = _place(complete_request.code, complete_request.cursor_pos)
    return await node.sessions.get(caller, id).session.complete(code, cursor)


@router.post("/inspect", operation_id="inspectCode", responses=failing(403, 404, 410, 504))
async def inspect_code(id: str, inspect_request: InspectRequest, node: Node, caller: Caller) -> dict[str, Any]:  # noqa: A002
    """What stands at a place in code: Jupyter's `inspect_reply`. Also while the session executes."""
    code, cursor = _place(inspect_request.code, inspect_request.cursor_pos)
    return await node.sessions.get(caller, id).session.inspect(code, cursor, inspect_request.detail_level or 0)


def _place(code: str | None, cursor: int | None) -> tuple[str, int]:
    if code is None:
        raise BadRequest("The code is missing.", fields=["code"])
    if cursor is None:
        return code, len(code)
    if not 0 <= cursor <= len(code):
        raise BadRequest(f"The code has no place {cursor}: it has {len(code)} characters.", fields=["cursorPos"])
    return code, cursor
