"""A kernel provisioner for jupyter_client that forks kernels from the zygote instead of starting an interpreter."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from jupyter_client.session import Session

from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.kernel import READY
from jupyter_deployr.computenode.messages import pack, unpack_whole
from jupyter_deployr.protocol.errors import StorageFull, Unavailable

_log = logging.getLogger(__name__)

_PROVISIONER = "deployr-zygote"
_START_SECONDS = 20
_DISK_FULL = tuple(f"OSError: [Errno {number}]" for number in (errno.ENOSPC, errno.EDQUOT))


class ZygoteKernelManager(AsyncKernelManager):
    """Manages one session kernel. `directory` is its working directory, `sockets` where its sockets lie."""

    def __init__(self, zygote: ForkServer, *, directory: Path, sockets: Path, ipython_dir: Path) -> None:
        # A context of its own would cost each kernel two threads.
        super().__init__(
            context=zmq.asyncio.Context.instance(),
            session=Session(pack=pack, unpack=unpack_whole),
            transport="ipc",
            ip=str(sockets / "kernel"),
            connection_file=str(sockets / "connection.json"),
        )
        self.zygote = zygote
        self.directory = directory
        self.ipython_dir = ipython_dir
        spec = KernelSpec(argv=[], display_name="DeployR session", language="python")
        spec.metadata = {"kernel_provisioner": {"provisioner_name": _PROVISIONER, "config": {}}}
        self._kernel_spec = spec

    @property
    def process(self) -> ForkedProcess | None:
        """The kernel's process, from when it has been forked until `cleanup_resources`."""
        return self.provisioner.process if isinstance(self.provisioner, ZygoteProvisioner) else None


class ZygoteProvisioner(KernelProvisionerBase):
    """Forks the kernel; everything else is what jupyter_client expects of a provisioner."""

    process: ForkedProcess | None = None

    @property
    def _manager(self) -> ZygoteKernelManager:
        assert isinstance(self.parent, ZygoteKernelManager)
        return self.parent

    @property
    def has_process(self) -> bool:
        return self.process is not None

    async def poll(self) -> int | None:
        if self.process is None or not self.process.ended.done():
            return None if self.process is not None else 0
        return self.process.ended.result()

    async def wait(self) -> int | None:
        return None if self.process is None else await asyncio.shield(self.process.ended)

    async def send_signal(self, signum: int) -> None:
        if self.process is not None:
            self.process.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        self.process = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager = self._manager
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return {**kwargs, "cmd": []}

    async def launch_kernel(self, cmd: Sequence[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel and wait until its sockets are bound. Raises Unavailable when it ends instead, StorageFull."""
        manager = self._manager
        arguments = {
            "connection_file": manager.connection_file,
            "directory": str(manager.directory),
            "ipython_dir": str(manager.ipython_dir),
        }
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            self.process = await manager.zygote.fork("kernel", arguments, theirs)
            loop = asyncio.get_running_loop()
            said = await asyncio.wait_for(loop.sock_recv(ours, 65536), _START_SECONDS)
        if said != READY:
            if said:
                _log.error("a session's kernel could not start:\n%s", said.decode())
                reason = said.decode().strip().splitlines()[-1]
                if reason.startswith(_DISK_FULL):
                    raise StorageFull("The disk of the server is full: no session could be started.")
                raise Unavailable(f"The session's kernel could not start: {reason}")
            code = await asyncio.shield(self.process.ended)
            raise Unavailable(f"The session's kernel could not start ({describe_exit(code)}).")
        return self.connection_info
