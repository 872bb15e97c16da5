"""A kernel provisioner for jupyter_client that forks kernels from the zygote instead of starting an interpreter."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.kernel import READY
from jupyter_deployr.protocol.errors import Unavailable

_log = logging.getLogger(__name__)

_PROVISIONER = "deployr-zygote"
_START_SECONDS = 60


class ZygoteKernelManager(AsyncKernelManager):
    """Manages one session kernel. `directory` is its working directory, `sockets` where its sockets lie."""

    def __init__(self, zygote: ForkServer, *, directory: Path, sockets: Path, ipython_dir: Path) -> None:
        super().__init__(transport="ipc", ip=str(sockets / "kernel"), connection_file=str(sockets / "connection.json"))
        self.zygote = zygote
        self.directory = directory
        self.ipython_dir = ipython_dir
        spec = KernelSpec(argv=[], display_name="DeployR session", language="python")
        spec.metadata = {"kernel_provisioner": {"provisioner_name": _PROVISIONER, "config": {}}}
        self._kernel_spec = spec

    @property
    def process(self) -> ForkedProcess:
        """The kernel's process, once it has been started."""
        assert isinstance(self.provisioner, ZygoteProvisioner)
        assert self.provisioner.process is not None
        return self.provisioner.process


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
        """Fork a kernel and wait until its sockets are bound. Raises Unavailable when it ends instead."""
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
                raise Unavailable(f"The session's kernel could not start: {said.decode().strip().splitlines()[-1]}")
            code = await asyncio.shield(self.process.ended)
            raise Unavailable(f"The session's kernel could not start ({describe_exit(code)}).")
        return self.connection_info
