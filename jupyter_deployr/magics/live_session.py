"""The notebook's live session: the remote Python process that `%%remote` cells run in."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_deployr.magics.connection import Connection
from jupyter_deployr.magics.progress import saving_bar
from jupyter_deployr.protocol.errors import DeployRError, Gone, NotFound, TimedOut

if TYPE_CHECKING:
    from jupyter_deployr.client import DeployRClient
    from jupyter_deployr.client.executions import Event
    from jupyter_deployr.protocol.models import CreateSnapshotRequest, CreateSnapshotResponse, ExecuteResponse

Result = TypeVar("Result")

_INTERRUPT_LIMIT = 10.0
_LONGEST_LABEL = 1000  # characters that the server takes
_INTERRUPTED = "Interrupted: the remote cell was stopped; its session lives on."


def notebook_path(namespace: Mapping[str, Any]) -> str:
    """The notebook's path where the front end tells it, else nothing."""
    return str(namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")


class LiveSession:
    """One session at a time, started by the first cell that needs it and closed when the notebook's kernel ends."""

    def __init__(self, connection: Connection, notebook: Callable[[], str]) -> None:
        """`notebook` tells the notebook's path, after which a new session is named: `IPython` without one."""
        self._connection = connection
        self._notebook = notebook
        self._id: str | None = None
        self._name = ""
        self._last_code: str | None = None

    @property
    def exists(self) -> bool:
        """Whether a session was started, as far as is known here."""
        return self._id is not None

    @property
    def last_code(self) -> str | None:
        """The last cell that ran without an error."""
        return self._last_code

    def forget(self) -> None:
        """Leave the session; the next cell starts another."""
        self._id = None

    def run(self, code: str, on_event: Callable[[Event], None]) -> ExecuteResponse:
        """Execute `code`; `on_event` gets each Jupyter message as it comes. Connections that break are taken up again.

        Code that raises, or that the user interrupts, is an answer with `success` false. Raises Gone when the session
        was lost, TimedOut when an interrupted cell doesn't stop, ExecutionOutOfReach when the server stays away.
        """
        from jupyter_deployr.client.watching import WatchedExecution
        from jupyter_deployr.protocol.models import ExecuteRequest

        client = self._connection.client
        session_id = self._id or self._start(client)
        request = ExecuteRequest(code)
        watched = WatchedExecution(lambda: client.stream_code(session_id, request))
        with self._noticing_loss():
            try:
                return watched.answer(on_event, client.timeouts.execution)
            except KeyboardInterrupt:
                response = watched.stop(lambda: client.cancel_session(session_id), on_event)
            finally:
                watched.leave()
        return replace(response, success=False, error_message=_INTERRUPTED, traceback=[_INTERRUPTED])

    def run_cell(self, code: str, on_event: Callable[[Event], None]) -> ExecuteResponse:
        """As `run`; code that succeeds is what `%publish` publishes."""
        response = self.run(code, on_event)
        if response.success:
            self._last_code = code
        return response

    def snapshot(self, request: CreateSnapshotRequest) -> CreateSnapshotResponse:
        """Save the session's workspace, with a bar while that takes long.

        Raises NotFound when there is no session, Gone when it was lost, Conflict when the user interrupts.
        """
        session_id = self._id
        if session_id is None:
            raise NotFound("There is no remote session yet. A %%remote cell starts it.")
        client = self._connection.client
        with self._noticing_loss(), saving_bar() as show:
            pending = _in_background(lambda: client.create_snapshot(session_id, request, on_progress=show))
            try:
                return pending.result()
            except KeyboardInterrupt:
                client.cancel_session(session_id)
            try:
                return pending.result(_INTERRUPT_LIMIT)
            except TimeoutError:
                raise TimedOut("The snapshot was told to stop and is still being made.") from None

    def _start(self, client: DeployRClient) -> str:
        from jupyter_deployr.protocol.models import CreateSessionRequest

        path = self._notebook()
        self._name = PurePath(path).stem or "IPython"
        request = CreateSessionRequest(self._name, runtime_type="Python", client=path[-_LONGEST_LABEL:] or None)
        session_id = client.create_session(request).session_id
        assert session_id is not None
        self._id = session_id
        # Nobody could find it again after this kernel.
        atexit.register(_close, client, session_id)
        return session_id

    @contextlib.contextmanager
    def _noticing_loss(self) -> Iterator[None]:
        try:
            yield
        except (NotFound, Gone):
            self.forget()
            raise Gone(
                f"The remote session {self._name!r} has ended, and with it the variables and files in it. "
                "The next %%remote cell starts a new one."
            ) from None


def _close(client: DeployRClient, session_id: str) -> None:
    with contextlib.suppress(DeployRError):
        client.close_session_by_force(session_id)


def _in_background(work: Callable[[], Result]) -> Future[Result]:
    """Run `work` in a thread that doesn't keep the interpreter from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # whatever it is, it is raised where the result is awaited
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
