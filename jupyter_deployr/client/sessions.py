"""The operations on what is in a session: its code, its files and its workspace."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from jupyter_deployr.client.calls import Caller, Headers, path
from jupyter_deployr.client.executions import Event, FollowedExecution
from jupyter_deployr.client.transport import Transport
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import (
    CompleteRequest,
    ConsoleOutputResponse,
    Environment,
    ExecuteRequest,
    ExecuteResponse,
    InspectRequest,
    SessionDetails,
)

OnEvent = Callable[[Event], None]

_PIECE = 1024 * 1024


class SessionOperations:
    """Part of DeployRClient. Every operation on a session says NotFound where the caller has none of that id, and Gone
    when it was live and has ended."""

    _transport: Transport
    _caller: Caller

    def get_session(self, id: str, headers: Headers = None) -> SessionDetails:  # noqa: A002
        """`getSession`: what session `id` is and does."""
        return self._caller.call(SessionDetails, "GET", path("sessions", id), headers)

    def get_environment(self, headers: Headers = None) -> Environment:
        """`getEnvironment`: the Python of sessions and services, and the distributions installed for it."""
        return self._caller.call(Environment, "GET", path("environment"), headers)

    # ----------------------------------------------------------------------------------------------------- code

    def execute_code(
        self,
        id: str,  # noqa: A002
        execute_request: ExecuteRequest,
        headers: Headers = None,
        *,
        on_event: OnEvent | None = None,
    ) -> ExecuteResponse:
        """`executeCode`: run code in session `id` and wait for its end.

        Code that raises is no error here: `success` is false then and `error_message` says why. `on_event` is called
        with each Jupyter message while the code runs: a dict of `seq`, `msg_type`, `content` and `metadata`, of the
        type `truncated` where some are missing. What breaks off is taken up again. Raises NotFound, Gone, BadRequest.
        """
        target, timeout = path("sessions", id, "execute"), self._transport.timeouts.execution
        if on_event is None:
            return self._caller.call(ExecuteResponse, "POST", target, headers, model=execute_request, timeout=timeout)
        execution = self.stream_code(id, execute_request, headers)
        for event in execution:
            on_event(event)
        return execution.result()

    def stream_code(self, id: str, execute_request: ExecuteRequest, headers: Headers = None) -> FollowedExecution:  # noqa: A002
        """`executeCode` as a stream: begin to run code in session `id`; what is returned gives the messages.

        Raises NotFound, Gone, BadRequest.
        """
        return FollowedExecution.begin(self._transport, self._caller, id, execute_request, headers)

    def follow_execution(
        self,
        id: str,  # noqa: A002
        execution_id: str,
        after: int = 0,
        headers: Headers = None,
    ) -> FollowedExecution:
        """`followExecution`: the messages of an execution that was begun as a stream, from after the `seq` `after`.

        Raises NotFound (no such execution, or not one of the last), Gone.
        """
        return FollowedExecution.again(self._transport, self._caller, id, execution_id, after, headers)

    def get_session_console_output(self, id: str, headers: Headers = None) -> ConsoleOutputResponse:  # noqa: A002
        """`getSessionConsoleOutput`: what the current execution of session `id` has printed, or the last one."""
        return self._caller.call(ConsoleOutputResponse, "GET", path("sessions", id, "console-output"), headers)

    def list_session_history(self, id: str, headers: Headers = None) -> list[str]:  # noqa: A002
        """`listSessionHistory`: the code that session `id` has executed, the oldest first."""
        return self._caller.call(list[str], "GET", path("sessions", id, "history"), headers)

    def complete_code(self, id: str, complete_request: CompleteRequest, headers: Headers = None) -> Event:  # noqa: A002
        """`completeCode`: Jupyter's `complete_reply` for a place in code; also while session `id` executes.

        Raises TimedOut.
        """
        target = path("sessions", id, "complete")
        return self._caller.call(dict[str, Any], "POST", target, headers, model=complete_request)

    def inspect_code(self, id: str, inspect_request: InspectRequest, headers: Headers = None) -> Event:  # noqa: A002
        """`inspectCode`: Jupyter's `inspect_reply` for a place in code; also while session `id` executes.

        Raises TimedOut.
        """
        target = path("sessions", id, "inspect")
        return self._caller.call(dict[str, Any], "POST", target, headers, model=inspect_request)

    # ---------------------------------------------------------------------------------------------------- files

    def upload_session_file(self, id: str, file: BinaryIO, name: str, headers: Headers = None) -> None:  # noqa: A002
        """`uploadSessionFile`: put what is read from `file` into the working directory of session `id`, as `name`.

        It replaces a file of that name. Raises BadRequest (a name that no file may have), Conflict (a folder has it),
        PayloadTooLarge, StorageFull.
        """
        form = _FileForm(file, name)

        def send(sent: dict[str, str]) -> None:
            self._transport.send(
                "POST",
                path("sessions", id, "files"),
                body=form.pieces(),
                headers={**sent, "Content-Type": form.content_type},
                timeout=self._transport.timeouts.execution,
            )

        self._caller.with_token(headers, send)

    def list_session_files(self, id: str, headers: Headers = None) -> list[str]:  # noqa: A002
        """`listSessionFiles`: the files in the working directory of session `id`; those in folders as `folder/name`."""
        return self._caller.call(list[str], "GET", path("sessions", id, "files"), headers)

    def get_session_file(self, id: str, file_name: str, target: BinaryIO, headers: Headers = None) -> int:  # noqa: A002
        """`getSessionFile`: write a file of session `id` to the file `target`; returns its bytes. Raises NotFound."""
        return self._download(path("sessions", id, "files", *file_name.split("/")), target, headers)

    def delete_session_file(self, id: str, file_name: str, headers: Headers = None) -> None:  # noqa: A002
        """`deleteSessionFile`: delete a file of session `id`. Raises NotFound."""
        self._caller.call(type(None), "DELETE", path("sessions", id, "files", *file_name.split("/")), headers)

    # ------------------------------------------------------------------------------------------------ workspace

    def list_workspace_objects(self, id: str, headers: Headers = None) -> list[str]:  # noqa: A002
        """`listWorkspaceObjects`: the names in the workspace of session `id`."""
        timeout = self._transport.timeouts.execution
        return self._caller.call(list[str], "GET", path("sessions", id, "workspace"), headers, timeout=timeout)

    def set_workspace_object(
        self,
        id: str,  # noqa: A002
        object_name: str,
        serialized_object: bytes | BinaryIO,
        headers: Headers = None,
    ) -> None:
        """`setWorkspaceObject`: define an object of session `id` by its dill bytes, or a file that has them.

        Raises BadRequest (the session can't load them; no variable's name), PayloadTooLarge, StorageFull, Conflict
        (interrupted).
        """
        data = io.BytesIO(serialized_object) if isinstance(serialized_object, bytes) else serialized_object
        start = data.tell()

        def send(sent: dict[str, str]) -> None:
            data.seek(start)
            self._transport.send(
                "POST",
                path("sessions", id, "workspace", object_name),
                body=data,
                headers={**sent, "Content-Type": "application/octet-stream"},
                timeout=self._transport.timeouts.execution,
            )

        self._caller.with_token(headers, send)

    def get_workspace_object(self, id: str, object_name: str, target: BinaryIO, headers: Headers = None) -> int:  # noqa: A002
        """`getWorkspaceObject`: write an object of session `id` as dill bytes to the file `target`; returns how many.

        Raises NotFound, BadRequest (dill can't write it), Conflict (interrupted), StorageFull.
        """
        return self._download(path("sessions", id, "workspace", object_name), target, headers)

    def delete_workspace_object(self, id: str, object_name: str, headers: Headers = None) -> None:  # noqa: A002
        """`deleteWorkspaceObject`: delete an object of session `id`. Raises NotFound."""
        timeout = self._transport.timeouts.execution
        target = path("sessions", id, "workspace", object_name)
        self._caller.call(type(None), "DELETE", target, headers, timeout=timeout)

    def _download(self, source: str, target: BinaryIO, headers: Headers) -> int:
        timeout = self._transport.timeouts.execution
        return self._caller.with_token(
            headers, lambda sent: self._transport.download(source, target, headers=sent, timeout=timeout)
        )


class _FileForm:
    """A multipart/form-data body with one file, read while it is sent."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Raises BadRequest for a name that a form can't carry."""
        if any(unfit in name for unfit in "\r\n\0"):
            raise BadRequest(f"{name!r} can't be the name of a file.", fields=["fileName"])
        self._file = file
        self._start = file.tell()
        self._name = name.replace("\\", "\\\\").replace('"', '\\"')
        self._boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={self._boundary}"

    def pieces(self) -> Iterator[bytes]:
        """The body, from its beginning."""
        self._file.seek(self._start)
        yield f'--{self._boundary}\r\nContent-Disposition: form-data; name="file"; filename="{self._name}"\r\n'.encode()
        yield b"Content-Type: application/octet-stream\r\n\r\n"
        while piece := self._file.read(_PIECE):
            yield piece
        yield f"\r\n--{self._boundary}--\r\n".encode()
