"""Requests to a kernel that is slower than who asks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient

from jupyter_deployr.computenode import kernel_requests
from jupyter_deployr.computenode.forking import ForkedProcess
from jupyter_deployr.computenode.kernel_requests import KernelRequests
from jupyter_deployr.protocol.errors import Gone

Message = dict[str, Any]


class _Channel:
    def __init__(self, send: Any = None) -> None:
        self.send = send
        self.coming: asyncio.Queue[Message] = asyncio.Queue()

    async def get_msg(self) -> Message:
        return await self.coming.get()


class _SlowKernel:
    """A client of a kernel that needs `seconds` for each answer, and whose output is heard from the `heard_from`th."""

    def __init__(self, seconds: float, heard_from: int) -> None:
        self._seconds = seconds
        self._heard_from = heard_from
        self._until = 0.0
        self.asked = 0
        self.session = self
        self.shell_channel = _Channel(self._asked)
        self.control_channel = _Channel()
        self.iopub_channel = _Channel()

    def start_channels(self, **_: bool) -> None:
        """It has them."""

    def stop_channels(self) -> None:
        """Nobody else does."""

    def msg(self, kind: str, content: Message, metadata: Message | None) -> Message:
        return {"header": {"msg_id": f"{kind} {self.asked}"}}

    def _asked(self, message: Message) -> None:
        self.asked += 1
        loop = asyncio.get_running_loop()
        # One after the other, as a kernel does.
        self._until = max(self._until, loop.time()) + self._seconds
        loop.call_at(self._until, self._answer, message["header"], self.asked)

    def _answer(self, parent: Message, number: int) -> None:
        self.shell_channel.coming.put_nowait({"parent_header": parent})
        if number >= self._heard_from:
            idle = {"parent_header": parent, "msg_type": "status", "content": {"execution_state": "idle"}}
            self.iopub_channel.coming.put_nowait(idle)


class _Process:
    def __init__(self) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()


async def _connected(kernel: _SlowKernel, process: _Process) -> KernelRequests:
    return KernelRequests(
        cast(AsyncKernelClient, kernel), cast(ForkedProcess, process), lambda: Gone("The session has ended.")
    )


@pytest.mark.parametrize("heard_from", [1, 3])
def test_a_kernel_that_answers_after_the_next_question(monkeypatch: pytest.MonkeyPatch, heard_from: int) -> None:
    """As on a machine with more to do than it can: asking anew mustn't make the earlier answers worthless."""
    monkeypatch.setattr(kernel_requests, "_SUBSCRIBED_SECONDS", 0.01)

    async def scene() -> None:
        kernel = _SlowKernel(0.05, heard_from)
        requests = await _connected(kernel, _Process())
        await asyncio.wait_for(requests.subscribed(), 10)
        assert heard_from <= kernel.asked <= 8
        await requests.close()

    asyncio.run(scene())


def test_a_kernel_that_ends_instead() -> None:
    async def scene() -> None:
        process = _Process()
        requests = await _connected(_SlowKernel(3600, 1), process)
        asyncio.get_running_loop().call_soon(process.ended.set_result, 1)
        with pytest.raises(Gone):
            await requests.subscribed()
        await requests.close()

    asyncio.run(scene())
