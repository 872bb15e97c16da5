"""Session APIs."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response

from jupyter_deployr.computenode import Execution
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import (
    CreateSessionRequest,
    CreateSessionResponse,
    ExecuteRequest,
    ExecuteResponse,
    Session,
)
from jupyter_deployr.protocol.parameters import check_name
from jupyter_deployr.webnode.context import Caller, Node

router = APIRouter(prefix="/sessions", tags=["Session APIs"])


@router.post("", operation_id="createSession", status_code=201)
async def create_session(
    node: Node, caller: Caller, create_session_request: CreateSessionRequest | None = None
) -> CreateSessionResponse:
    """Start a session, with a snapshot loaded if one is named."""
    asked = create_session_request or CreateSessionRequest()
    live = await node.sessions.open(caller, asked.name, asked.snapshot_id, asked.runtime_type)
    return CreateSessionResponse(live.id)


@router.get("", operation_id="listSessions")
async def list_sessions(node: Node, caller: Caller) -> list[Session]:
    """The caller's live sessions."""
    return [Session(live.id, live.name, live.owner, "Python") for live in node.sessions.of(caller)]


@router.post("/{id}/execute", operation_id="executeCode", response_model=ExecuteResponse)
async def execute_code(id: str, execute_request: ExecuteRequest, node: Node, caller: Caller) -> Response:  # noqa: A002
    """Run code in a session and wait for its end."""
    if execute_request.code is None:
        raise BadRequest("The code to execute is missing.", fields=["code"])
    inputs = {check_name(given.name): given.value for given in execute_request.input_parameters or ()}
    outputs = [check_name(name) for name in execute_request.output_parameters or ()]
    live = node.sessions.get(caller, id)
    execution = await live.session.execute(execute_request.code, inputs, outputs)
    return Response(_encoded(execution), media_type="application/json")


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


@router.post("/{id}/cancel", operation_id="cancelSession")
async def cancel_session(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """Interrupt what the session executes; the session lives on."""
    node.sessions.get(caller, id).session.interrupt()
    return "The execution has been interrupted."


@router.delete("/{id}", operation_id="closeSession")
async def close_session(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """End a session."""
    await node.sessions.close(caller, id)
    return "The session has been closed."


@router.delete("/{id}/force", operation_id="closeSessionByForce")
async def close_session_by_force(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """End a session, also while it executes."""
    await node.sessions.close(caller, id)
    return "The session has been closed."
