"""The session kernel: IPython's kernel, with named inputs and outputs per execution, and snapshots of its workspace."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import default

from jupyter_deployr.computenode.error_texts import error_text
from jupyter_deployr.computenode.library_changes import LibraryState
from jupyter_deployr.computenode.library_patches import remember_modules
from jupyter_deployr.computenode.limited_output import LimitedSession
from jupyter_deployr.computenode.local_modules import files_written
from jupyter_deployr.computenode.python_names import LASTING_NAMES, PASSING_NAMES
from jupyter_deployr.computenode.saving import Progress, Refused, Selection, UnknownNames, save
from jupyter_deployr.computenode.snapshot import Snapshot, SnapshotError
from jupyter_deployr.computenode.workdir import changed_files, file_states
from jupyter_deployr.computenode.worker import reseed
from jupyter_deployr.protocol.characters import shown_name
from jupyter_deployr.protocol.strict_json import write_json

READY = b"ready"
# Names of the messages and the metadata member that this kernel adds to Jupyter's.
SAVE = "deployr_save_request"
LOAD = "deployr_load_request"
OBJECT = "deployr_object_request"
NAMES = "deployr_names_request"
PROGRESS = "deployr_save_progress"
EXTRAS = "deployr"
# The exit code of a kernel that can no longer answer.
BROKEN = 70

# The class that ipykernel names when no error left the code.
_NO_ERROR = type(None).__name__
# As it is before a cell has put anything of its own in its place.
_loads = json.loads
_STREAM_FLUSH_SECONDS = 0.02
_PROGRESS_SECONDS = 0.2
# The history of cells, which IPython binds anew with each one and doesn't hide.
_HISTORY_NAME = re.compile(r"_i{1,3}|_i\d+")


class SessionKernel(IPythonKernel):
    """Adds to an execute request the inputs and outputs of `executeCode`, and requests for snapshots and objects."""

    msg_types = [*IPythonKernel.msg_types, SAVE, LOAD, OBJECT]  # noqa: RUF012 - ipykernel's own way
    control_msg_types = [*IPythonKernel.control_msg_types, NAMES]  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._directory = Path.cwd()
        self._packages_at_start = _imported_packages()
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}

    def start(self) -> None:
        super().start()
        self._libraries_at_start = LibraryState()
        for thread in (self.shell_channel_thread, self.iopub_thread, self.control_thread):
            # No user code runs there.
            if thread is not None:
                thread.io_loop.asyncio_loop.set_exception_handler(_end_when_deaf)

    @property
    def _workspace(self) -> dict[str, Any]:
        assert self.shell is not None
        workspace: dict[str, Any] = self.shell.user_ns
        return workspace

    def _user_names(self) -> list[str]:
        assert self.shell is not None
        hidden, absent = self.shell.user_ns_hidden, object()
        # A name of IPython's that a cell has bound to something else is the user's. A copy, made in one step: code may
        # run meanwhile.
        return [
            name
            for name, value in self._workspace.copy().items()
            if isinstance(name, str)
            and hidden.get(name, absent) is not value
            and not _HISTORY_NAME.fullmatch(name)
            and name not in PASSING_NAMES
        ]

    # The hooks around an execution: metadata in before the code runs, metadata out after it.

    def init_metadata(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        extras = parent["metadata"].get(EXTRAS)
        if extras is not None:
            self._workspace.update(_loads(extras["inputs"]))
        return {**super().init_metadata(parent), "files": file_states(self._directory)}

    def finish_metadata(
        self, parent: Mapping[str, Any], metadata: dict[str, Any], reply_content: Mapping[str, Any]
    ) -> dict[str, Any]:
        before = metadata.pop("files")
        remember_modules()
        finished: dict[str, Any] = super().finish_metadata(parent, metadata, reply_content)
        extras = parent["metadata"].get(EXTRAS)
        if extras is None:
            return finished
        found: dict[str, str] = {}
        fault = ""
        for name in extras["outputs"] if reply_content["status"] == "ok" else ():
            try:
                found[name] = write_json(self._workspace[name]).decode()
            except KeyError:
                fault = fault or f"The code did not define the output {name!r}."
            except Exception as error:
                fault = fault or f"The output {name!r} can't be sent as JSON: {error}."
        changed = [shown_name(name) for name in changed_files(before, file_states(self._directory))]
        exiting = bool(self.shell is not None and self.shell.exit_now)
        return {**finished, EXTRAS: {"outputs": found, "fault": fault, "changed": changed, "exiting": exiting}}

    async def do_execute(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Run code. When showing its last value fails, that is how it failed, which ipykernel wouldn't say."""
        reply: dict[str, Any] = await super().do_execute(*args, **options)
        shown = getattr(sys, "last_value", None)
        if reply["status"] == "error" and reply["ename"] == _NO_ERROR and shown is not None:
            reply |= _named(shown)
        return reply

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Run code. What goes wrong around it is answered too, or ends the process: nobody waits for ever."""
        try:
            await super().execute_request(stream, ident, parent)
        except BaseException as error:
            try:
                self._reply(stream, "execute_reply", _failure(error), parent, ident)
            except BaseException:
                os._exit(BROKEN)
        self._mend_streams()
        self._mend_directory()

    def _mend_streams(self) -> None:
        """Code may replace the streams, but IPython needs something to write to."""
        for name, stream in self._streams.items():
            there = getattr(sys, name, None)
            if not (hasattr(there, "write") and hasattr(there, "flush")) or getattr(there, "closed", False):
                setattr(sys, name, stream)
        if not hasattr(sys, "stdin"):
            sys.stdin = sys.__stdin__

    def _mend_directory(self) -> None:
        """A process without a working directory can't even import."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.getcwd()  # noqa: PTH109 - a Path would do the same
        except FileNotFoundError:
            os.chdir(self._directory)

    async def deployr_save_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Save what the request selects of the workspace to the path in it; progress goes out meanwhile."""
        asked = parent["content"]
        try:
            save(
                Path(asked["path"]),
                self._workspace,
                self._user_names(),
                self._directory,
                selection=Selection(**asked["selection"]),
                unloadable=asked["unloadable"],
                changes=self._libraries_at_start.changes(self._workspace, self._directory),
                packages=_imported_packages() - self._packages_at_start,
                progress=self._progress(parent),
            )
            content: dict[str, Any] = {"status": "ok"}
        except UnknownNames as error:
            content = _fault("unknown", error)
        except Refused as error:
            content = _fault("refused", error)
        except (Exception, KeyboardInterrupt) as error:
            content = _fault("interrupted" if isinstance(error, KeyboardInterrupt) else "error", error)
        self._reply(stream, "deployr_save_reply", content, parent, ident)

    def _progress(self, parent: dict[str, Any]) -> Progress:
        """Tells what is being saved, some times a second."""
        told = time.monotonic()

        def progress(name: str, written: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= _PROGRESS_SECONDS:
                told = now
                assert self.session is not None
                content = {"name": shown_name(name), "written": written}
                self.session.send(self.iopub_socket, PROGRESS, content, parent)

        return progress

    async def deployr_load_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Merge the snapshot at the path in the request into the workspace and the working directory.

        Its names and files win over the session's. A class that both have is the snapshot's afterwards, as if its cell
        had run again; a module of the working directory is the snapshot's if its file differs (`local_modules`).
        """
        try:
            saved = Snapshot(Path(parent["content"]["path"]))
            saved.check_python()
            with files_written(self._directory):
                saved.write_files(self._directory)
            self._load(saved)
            saved.restore_random_states()
            content = {"status": "ok"}
        except SnapshotError as error:
            content = _fault("refused", error)
        except (Exception, KeyboardInterrupt) as error:
            content = _fault("interrupted" if isinstance(error, KeyboardInterrupt) else "error", error)
        self._reply(stream, "deployr_load_reply", content, parent, ident)

    async def deployr_object_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Write, read or delete an object of the workspace, as the request says."""
        # Not above, because the web node imports this module too: it has no business with dill.
        from jupyter_deployr.computenode.workspace_objects import WorkspaceObjects

        try:
            content = WorkspaceObjects(self._workspace, self._user_names).answer(parent["content"])
        except (Exception, KeyboardInterrupt) as error:
            content = _fault("interrupted" if isinstance(error, KeyboardInterrupt) else "error", error)
        self._reply(stream, "deployr_object_reply", content, parent, ident)

    async def deployr_names_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """List the objects of the workspace. This is done in the control thread, while code may run."""
        names = sorted(shown_name(name) for name in self._user_names() if name not in LASTING_NAMES)
        self._reply(stream, "deployr_names_reply", {"status": "ok", "names": names}, parent, ident)

    def _load(self, saved: Snapshot) -> None:
        """Merge the names, all or none of them. Raises SnapshotError."""
        before = dict(self._workspace)
        try:
            saved.load_into(self._workspace)
        except BaseException:
            for name in self._workspace.keys() - before.keys():
                del self._workspace[name]
            self._workspace.update(before)
            raise

    def _reply(self, stream: Any, kind: str, content: dict[str, Any], parent: dict[str, Any], ident: Any) -> None:
        assert self.session is not None
        self.session.send(stream, kind, content, parent, ident=ident)


def _imported_packages() -> set[str]:
    return {name.partition(".")[0] for name in list(sys.modules)}


def _failure(error: BaseException) -> dict[str, Any]:
    return {"status": "error", **_named(error), "traceback": []}


def _named(error: BaseException) -> dict[str, Any]:
    return {"ename": type(error).__name__, "evalue": error_text(error)}


def _end_when_deaf(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A kernel whose sockets can't be read any more, because code broke what they are read with, answers nobody."""
    if "_handle_events" in context["message"]:
        os._exit(BROKEN)
    loop.default_exception_handler(context)


def _fault(status: str, error: BaseException) -> dict[str, Any]:
    return {
        "status": status,
        "reason": str(error) or type(error).__name__,
        "errno": error.errno if isinstance(error, OSError) else None,
    }


class OrderedStream(OutStream):
    """stdout and stderr of a session: what waits in one is sent before something is written to the other."""

    _last: ClassVar[OrderedStream | None] = None

    def write(self, string: str) -> int:
        last, OrderedStream._last = OrderedStream._last, self
        if last is not None and last is not self:
            last.flush()
        return super().write(string) or 0


class _SessionKernelApp(IPKernelApp):
    """Starts a SessionKernel whose streams keep their order and whose output is limited."""

    kernel_class = SessionKernel
    outstream_class = f"{__name__}.OrderedStream"

    @default("session")
    def _limited_session(self) -> LimitedSession:
        return LimitedSession(parent=self)


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for a session runs: a kernel on the connection file that `arguments` names."""
    reseed()
    sys.path.insert(0, "")
    # Compiled modules are no files of the session's.
    sys.dont_write_bytecode = True
    OutStream.flush_interval = _STREAM_FLUSH_SECONDS
    # Not the account's own profile, whose start-up files are not this session's.
    os.environ["IPYTHONDIR"] = arguments["ipython_dir"]
    app = _SessionKernelApp.instance(connection_file=arguments["connection_file"], log_level=50)
    app.config.HistoryManager.enabled = False
    app.config.InteractiveShell.cache_size = 0
    app.initialize([])
    channel.sendall(READY)
    channel.close()
    app.start()
