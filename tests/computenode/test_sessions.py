"""Sessions in the process that drives them: what they leave there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_deployr.computenode import ComputeSettings, LocalComputeNode, Session
from jupyter_deployr.protocol.errors import Gone


@asynccontextmanager
async def started(directory: Path) -> AsyncIterator[LocalComputeNode]:
    node = LocalComputeNode(directory, ComputeSettings(warm_sessions=0))
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def gone(session: Session) -> None:
    """Wait until nothing is left of a session."""
    end = asyncio.Event()
    session.when_gone(end.set)
    async with asyncio.timeout(20):
        await end.wait()


def test_no_task_outlives_its_session(tmp_path: Path) -> None:
    async def scene() -> None:
        async with started(tmp_path / "scratch") as node:
            before = asyncio.all_tasks()
            exits, dies, closes, force = await asyncio.gather(*(node.open_session() for _ in range(4)))
            assert len(asyncio.all_tasks()) > len(before)
            with pytest.raises(Gone, match="exit code 0"):
                await exits.execute("exit()", {}, [])
            pid = (await dies.execute("import os; pid = os.getpid()", {}, ["pid"])).outputs["pid"]
            psutil.Process(int(pid)).kill()
            await closes.close()
            waiting = [asyncio.create_task(force.execute(code, {}, [])) for code in ("while True: pass", "1")]
            await asyncio.sleep(0)
            assert force.idle_seconds == 0
            await force.close()
            for task in waiting:
                with pytest.raises(Gone, match="was closed"):
                    await task
            for session in (exits, dies, closes, force):
                await gone(session)
                assert session.ended
                assert not session.directory.exists()
            assert asyncio.all_tasks() == before
            # Closing what is gone does nothing, and asking it says how it ended.
            await dies.close()
            with pytest.raises(Gone, match="SIGKILL"):
                await dies.execute("1", {}, [])

    asyncio.run(scene())


def works_in(process: psutil.Process, directory: Path) -> bool:
    """Whether this is its working directory; what has ended has none."""
    try:
        return process.cwd() == str(directory)
    except psutil.NoSuchProcess:
        return False


def test_a_start_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with started(tmp_path / "scratch") as node:
            before = asyncio.all_tasks()
            for pauses in range(0, 60, 4):
                starting = asyncio.create_task(node.open_session())
                for _ in range(pauses):
                    await asyncio.sleep(0.002)
                starting.cancel()
                (outcome,) = await asyncio.gather(starting, return_exceptions=True)
                assert isinstance(outcome, asyncio.CancelledError | Session)
                if isinstance(outcome, Session):
                    await outcome.close()
            assert asyncio.all_tasks() == before
            assert not list((tmp_path / "scratch").glob("session-*"))
            zygote = next(child for child in psutil.Process().children() if works_in(child, tmp_path / "scratch"))
            async with asyncio.timeout(20):
                while zygote.children():  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.01)

    asyncio.run(scene())
