"""A session as an object: a Python process of the server, with its variables and its files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, overload

from jupyter_deployr.client.executions import Event, FollowedExecution
from jupyter_deployr.client.local_files import target_path, written_whole
from jupyter_deployr.client.results import ExecutionResult
from jupyter_deployr.client.tables import html_table
from jupyter_deployr.client.watching import WatchedExecution
from jupyter_deployr.protocol.errors import BadRequest, DeployRError, Gone, NotFound
from jupyter_deployr.protocol.models import (
    CompleteRequest,
    CreateSessionRequest,
    CreateSnapshotRequest,
    CreateSnapshotResponse,
    ExecuteRequest,
    InspectRequest,
    LoadSnapshotResponse,
    SessionDetails,
    Snapshot,
    SnapshotProgress,
    WorkspaceObject,
)

if TYPE_CHECKING:
    from jupyter_deployr.client.api import DeployRClient

AnySnapshot = str | Snapshot | CreateSnapshotResponse
"""A snapshot's id, or what `listSnapshots` or `CreateSnapshot` answered."""


class Run(Iterator[Event]):
    """Code that runs in a session. Iterate over it for its Jupyter messages as they come.

    Each is a dict of `seq`, `msg_type`, `content` and `metadata`; one of the type `truncated` stands for some that are
    missing. A connection that breaks is taken up again where it was; a server that goes away is waited for, a minute at
    most. The code runs on when nobody iterates: `id` and `seen`, the `seq` of the last message, give the rest later
    (`Session.reattach`).
    """

    def __init__(self, execution: FollowedExecution) -> None:
        self._execution = execution

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._execution.id

    @property
    def seen(self) -> int:
        """The `seq` of the last message that was given, 0 before the first."""
        return self._execution.seen

    def __next__(self) -> Event:
        return next(self._execution)

    def close(self) -> None:
        """Stop to follow; the code runs on. Iterating takes it up again."""
        self._execution.close()

    def result(self) -> ExecutionResult:
        """What the code answered, when it has ended; messages that nobody has seen by then are dropped.

        Code that raised is no error here. Raises ExecutionOutOfReach, Gone, and what else `executeCode` does.
        """
        return ExecutionResult(self._execution.result())

    def __repr__(self) -> str:
        return f"<Run {self.id}>"


class Session:
    """A session of the server: `client.session("training")` starts one, `client.attach(id)` finds one that is live.

        with client.session() as session:
            session.put("rows", rows)
            session.execute("model = train(rows)")
            snapshot = session.snapshot("trained")

    The block ends a session that was started for it, and leaves one that was found. Every method may raise Gone, when
    the session has ended, NotFound, and what every operation may raise (`DeployRClient`).
    """

    def __init__(self, client: DeployRClient, session_id: str, *, name: str = "", ends: bool = False) -> None:
        """`ends` says whether a `with` block ends it."""
        self._client = client
        self._ends = ends
        self.id = session_id
        self.name = name
        self.differences: list[str] = []

    @classmethod
    def start(cls, client: DeployRClient, name: str | None, snapshot: AnySnapshot | None, label: str | None) -> Session:
        """Stands for `createSession`. Raises NotFound (no such snapshot), Unavailable."""
        request = CreateSessionRequest(name, None if snapshot is None else _snapshot_id(snapshot), "Python", label)
        created = client.create_session(request)
        session = cls(client, str(created.session_id), name=name or "", ends=True)
        session.differences = created.differences
        return session

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._ends:
            return
        try:
            self.close(force=True)
        except (Gone, NotFound):
            pass
        except DeployRError:
            if error is None:  # else that of the block is the one to tell
                raise

    def details(self) -> SessionDetails:
        """What it is and does: state, memory in bytes, Python version, since when it is idle (`getSession`)."""
        return self._client.get_session(self.id)

    # ------------------------------------------------------------------------------------------------------- code

    def execute(
        self,
        code: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Sequence[str] = (),
        *,
        on_event: Callable[[Event], None] | None = None,
        check: bool = True,
    ) -> ExecutionResult:
        """Run code and wait for its end (`executeCode`).

        `inputs` become variables before (JSON values, arrays, frames; for any other object there is `put`), `outputs`
        name variables whose JSON values are read after it. `on_event` gets each Jupyter message meanwhile. Ctrl-C, or
        the stop button, interrupts the remote code and waits a while for its end. A server that goes away is waited for
        as `Run` does. Raises ExecutionFailed with the remote traceback when the code raises, unless `check` is false;
        BadRequest; ExecutionOutOfReach when the server stays away, TimedOut after the client's `timeouts.execution`:
        the code goes on then.
        """
        request = _request(code, inputs, outputs)
        watched = WatchedExecution(lambda: self._client.stream_code(self.id, request))
        try:
            result = ExecutionResult(watched.answer(on_event, self._client.timeouts.execution))
        except KeyboardInterrupt as interrupt:
            try:
                watched.stop(self.cancel, on_event)
            except DeployRError as error:
                interrupt.add_note(str(error))
            raise
        finally:
            watched.leave()
        if check:
            result.raise_for_failure()
        return result

    def run(self, code: str, inputs: Mapping[str, Any] | None = None, outputs: Sequence[str] = ()) -> Run:
        """Begin to run code; what is returned gives its messages while it runs, and then its result (`executeCode`)."""
        return Run(self._client.stream_code(self.id, _request(code, inputs, outputs)))

    def reattach(self, run_id: str, seen: int = 0) -> Run:
        """A run again, also from another program: its messages from behind the one whose `seq` is `seen`, those so far
        and those to come (`followExecution`). Raises NotFound when the session has forgotten it."""
        return Run(self._client.follow_execution(self.id, run_id, seen))

    def cancel(self) -> None:
        """Interrupt what runs; the session lives on (`cancelSession`)."""
        self._client.cancel_session(self.id)

    def console_output(self) -> str:
        """What the current execution has printed, or else the last one (`getSessionConsoleOutput`)."""
        return self._client.get_session_console_output(self.id).console_output or ""

    def history(self) -> list[str]:
        """The code it has executed, the oldest first (`listSessionHistory`)."""
        return self._client.list_session_history(self.id)

    def complete(self, code: str, cursor: int | None = None) -> list[str]:
        """What could stand at `cursor` (characters; the end by default), also while code runs (`completeCode`)."""
        matches: list[str] = self._client.complete_code(self.id, CompleteRequest(code, cursor)).get("matches", [])
        return matches

    def inspect(self, code: str, cursor: int | None = None) -> str:
        """Help on what stands at `cursor` (characters; the end by default), empty for nothing (`inspectCode`)."""
        reply = self._client.inspect_code(self.id, InspectRequest(code, cursor))
        return str(reply.get("data", {}).get("text/plain", "")) if reply.get("found") else ""

    # -------------------------------------------------------------------------------------------------- workspace

    def objects(self) -> list[str]:
        """The names in the workspace (`listWorkspaceObjects`)."""
        return self._client.list_workspace_objects(self.id)

    def put(self, name: str, value: Any) -> None:
        """Define a variable as any object that dill can write (`setWorkspaceObject`).

        Raises BadRequest (dill can't write it; the session can't load it; no variable's name), PayloadTooLarge,
        StorageFull, Conflict (interrupted).
        """
        import dill

        try:
            data = dill.dumps(value)
        except Exception as fault:  # writing an object calls its own methods
            raise BadRequest(
                f"{name!r}, a {type(value).__name__}, can't be sent: {type(fault).__name__}: {fault}", fields=[name]
            ) from None
        self._client.set_workspace_object(self.id, name, data)

    def get(self, name: str) -> Any:
        """The value of a variable, made anew here (`getWorkspaceObject`).

        Loading it runs code that the session has chosen: it is for sessions of one's own. Raises BadRequest (dill can't
        write it, or it can't be loaded here), NotFound, Conflict (interrupted).
        """
        import dill

        content = io.BytesIO()
        self._client.get_workspace_object(self.id, name, content)
        content.seek(0)
        try:
            return dill.load(content)  # noqa: S301  the caller's own session
        except Exception as fault:  # so does loading one
            raise BadRequest(f"{name!r} can't be loaded here: {type(fault).__name__}: {fault}", fields=[name]) from None

    def delete(self, name: str) -> None:
        """Delete a variable (`deleteWorkspaceObject`). Raises NotFound."""
        self._client.delete_workspace_object(self.id, name)

    # ------------------------------------------------------------------------------------------------------ files

    def files(self) -> list[str]:
        """The files of the working directory, those in folders as `folder/name` (`listSessionFiles`)."""
        return self._client.list_session_files(self.id)

    def upload(self, file: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> None:
        """Put a file of this machine, or what is read from an open one, into the working directory
        (`uploadSessionFile`), as `name` or under its own.

        Raises BadRequest (no name, or one that no file may have), Conflict, PayloadTooLarge, StorageFull; OSError when
        the file can't be read.
        """
        if isinstance(file, (str, os.PathLike)):
            source = Path(file).expanduser()
            with source.open("rb") as opened:
                self._client.upload_session_file(self.id, opened, name or source.name)
            return
        own = getattr(file, "name", None)
        name = name or (Path(own).name if isinstance(own, str) else None)
        if name is None:
            raise BadRequest("This file has no name of its own; give one as `name`.", fields=["name"])
        self._client.upload_session_file(self.id, file, name)

    @overload
    def download(self, name: str) -> bytes: ...
    @overload
    def download(self, name: str, to: str | os.PathLike[str]) -> Path: ...
    def download(self, name: str, to: str | os.PathLike[str] | None = None) -> bytes | Path:
        """The content of a file (`getSessionFile`), or with `to`, a file or a folder of this machine, the path that it
        was written to. Raises NotFound; OSError when it can't be written."""
        if to is None:
            content = io.BytesIO()
            self._client.get_session_file(self.id, name, content)
            return content.getvalue()
        target = target_path(to, name)
        with written_whole(target) as file:
            self._client.get_session_file(self.id, name, file)
        return target

    def delete_file(self, name: str) -> None:
        """Delete a file (`deleteSessionFile`). Raises NotFound."""
        self._client.delete_session_file(self.id, name)

    # -------------------------------------------------------------------------------------------------- snapshots

    def snapshot(
        self,
        name: str | None = None,
        *,
        only: Sequence[str] | None = None,
        drop: Sequence[str] | None = None,
        strict: bool = False,
        on_progress: Callable[[SnapshotProgress], None] | None = None,
    ) -> CreateSnapshotResponse:
        """Save variables and files (`CreateSnapshot`); `not_kept` of the answer names what could not be saved.

        `only` are the variables to save, `drop` variables, files and folders to leave out; with `strict` nothing is
        saved unless everything can be. Raises StorageFull, BadRequest, Conflict (interrupted).
        """
        request = CreateSnapshotRequest(
            name, None if only is None else list(only), None if drop is None else list(drop), strict or None
        )
        return self._client.create_snapshot(self.id, request, on_progress=on_progress)

    def load(self, snapshot: AnySnapshot) -> LoadSnapshotResponse:
        """Put a snapshot's variables and files over those of the same names (`LoadSnapshot`); the answer says how the
        server's packages differ. Raises BadRequest (the server's Python can't load it)."""
        return self._client.load_snapshot(self.id, _snapshot_id(snapshot))

    def close(self, force: bool = False) -> None:
        """End it with everything in it (`closeSession`), with `force` while it executes (`closeSessionByForce`)."""
        if force:
            self._client.close_session_by_force(self.id)
        else:
            self._client.close_session(self.id)

    def __repr__(self) -> str:
        return f"<Session {self.id}{f' {self.name!r}' if self.name else ''} at {self._client.base_url}>"

    def _repr_html_(self) -> str:
        return html_table(("Session", "Name", "Server"), [(self.id, self.name, self._client.base_url)])


def _request(code: str, inputs: Mapping[str, Any] | None, outputs: Sequence[str]) -> ExecuteRequest:
    given = [WorkspaceObject(name, value) for name, value in (inputs or {}).items()]
    return ExecuteRequest(code, given, list(outputs))


def _snapshot_id(snapshot: AnySnapshot) -> str:
    if isinstance(snapshot, str):
        return snapshot
    return str(snapshot.id if isinstance(snapshot, Snapshot) else snapshot.snapshot_id)
