"""The session kernel: IPython's kernel, with named inputs and outputs per execution, and snapshots of its workspace."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

from jupyter_deployr.computenode import snapshot
from jupyter_deployr.computenode.workdir import changed_files, file_states
from jupyter_deployr.computenode.worker import reseed
from jupyter_deployr.protocol.strict_json import write_json

READY = b"ready"
# Names of the messages and the metadata member that this kernel adds to Jupyter's.
SAVE = "deployr_save_request"
LOAD = "deployr_load_request"
EXTRAS = "deployr"

_STREAM_FLUSH_SECONDS = 0.02
# IPython's own history variables, which it doesn't hide: _, __, ___, _1, _i, _ii, _iii, _i1.
_HISTORY_NAME = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+")


class SessionKernel(IPythonKernel):
    """Adds to an execute request the inputs and outputs of `executeCode`, and two requests for snapshots."""

    msg_types = [*IPythonKernel.msg_types, SAVE, LOAD]  # noqa: RUF012 - ipykernel's own way

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._directory = Path.cwd()

    @property
    def _workspace(self) -> dict[str, Any]:
        assert self.shell is not None
        workspace: dict[str, Any] = self.shell.user_ns
        return workspace

    def _user_names(self) -> list[str]:
        assert self.shell is not None
        hidden = self.shell.user_ns_hidden
        return [
            name
            for name in self._workspace
            if name not in hidden and not _HISTORY_NAME.fullmatch(name) and not name.startswith("__")
        ]

    # The hooks around an execution: metadata in before the code runs, metadata out after it.

    def init_metadata(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        extras = parent["metadata"].get(EXTRAS)
        if extras is not None:
            self._workspace.update(extras["inputs"])
        return {**super().init_metadata(parent), "files": file_states(self._directory)}

    def finish_metadata(
        self, parent: Mapping[str, Any], metadata: dict[str, Any], reply_content: Mapping[str, Any]
    ) -> dict[str, Any]:
        before = metadata.pop("files")
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
        changed = changed_files(before, file_states(self._directory))
        return {**finished, EXTRAS: {"outputs": found, "fault": fault, "changed": changed}}

    async def deployr_save_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Save the workspace to the path in the request; the reply lists what could not be kept."""
        path = Path(parent["content"]["path"])
        try:
            not_kept = snapshot.save(path, self._workspace, self._user_names(), self._directory)
            content: dict[str, Any] = {"status": "ok", "not_kept": [asdict(item) for item in not_kept]}
        except OSError as error:
            content = {"status": "error", "reason": str(error), "errno": error.errno}
        self._reply(stream, "deployr_save_reply", content, parent, ident)

    async def deployr_load_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Merge the snapshot at the path in the request into the workspace and the working directory."""
        try:
            saved = snapshot.Snapshot(Path(parent["content"]["path"]))
            saved.check_python()
            saved.write_files(self._directory)
            saved.load_into(self._workspace)
            content = {"status": "ok"}
        except (snapshot.SnapshotError, OSError) as error:
            content = {"status": "error", "reason": str(error)}
        self._reply(stream, "deployr_load_reply", content, parent, ident)

    def _reply(self, stream: Any, kind: str, content: dict[str, Any], parent: dict[str, Any], ident: Any) -> None:
        assert self.session is not None
        self.session.send(stream, kind, content, parent, ident=ident)


class OrderedStream(OutStream):
    """stdout and stderr of a session: what waits in one is sent before something is written to the other."""

    _last: ClassVar[OrderedStream | None] = None

    def write(self, string: str) -> int:
        last, OrderedStream._last = OrderedStream._last, self
        if last is not None and last is not self:
            last.flush()
        return super().write(string) or 0


class _SessionKernelApp(IPKernelApp):
    """Starts a SessionKernel whose streams keep their order."""

    kernel_class = SessionKernel
    outstream_class = f"{__name__}.OrderedStream"


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for a session runs: a kernel on the connection file that `arguments` names."""
    reseed()
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
