"""The workers of one service version, and the calls that wait for them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from jupyter_deployr.computenode.channel import Request
from jupyter_deployr.computenode.definition import ServiceDefinition
from jupyter_deployr.computenode.few_lines import FewLines
from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.outbox import USABLE, Outbox
from jupyter_deployr.computenode.pool_worker import Call, PoolWorker
from jupyter_deployr.computenode.reports import Answer
from jupyter_deployr.protocol.characters import whole_texts
from jupyter_deployr.protocol.errors import StorageFull, Unavailable, WorkerLost

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]

# At most about this much work waits inside a worker, where it can't be moved any more.
_IN_FLIGHT_MICROSECONDS = 2000
_MAX_IN_FLIGHT = 64
_LOAD_TIMEOUT_SECONDS = 120
_LOOK_SECONDS = 0.002
_UNKNOWN = "unknown reason"


class LoadFailed(Exception):
    """A version that no worker can load: the reason, and the traceback of its own code if it has one."""

    def __init__(self, message: str, traceback_text: str = "") -> None:
        super().__init__(message)
        self.traceback_text = traceback_text


class ServicePool:
    """Runs the calls of one version on a fixed number of workers, started when first needed.

    `call` never runs user code here: it queues the body for a worker process and resolves to (HTTP status, body).
    """

    def __init__(
        self,
        definition: ServiceDefinition,
        zygote: ForkServer,
        scratch: Path,
        *,
        size: int,
        max_queue: int,
        check: Check | None = None,
    ) -> None:
        """`check` is awaited before each worker is started and raises what speaks against it."""
        self.definition = definition
        self._check = check
        self._zygote = zygote
        self._scratch = scratch
        self._size = size
        self._max_queue = max_queue
        self._queue: deque[Call] = deque()
        self._workers: list[PoolWorker] = []
        self._starting = 0
        self._window = 1
        self._mean_microseconds = float(_IN_FLIGHT_MICROSECONDS)
        self._closing = False
        self._ended = False
        self._turned_out = 0
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.TimerHandle | None = None
        self._started = 0
        self._lost = 0
        self._losses = FewLines(_log, logging.WARNING, f"workers of {definition.label} that ended")
        self.notes: tuple[str, ...] = ()

    # ------------------------------------------------------------------------------------------------- calls

    def call(self, body: bytes) -> asyncio.Future[Answer]:
        """Score one request body.

        The future fails with WorkerLost, Unavailable, LoadFailed, StorageFull, OSError, or with what `check` raises.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        call = Call(body, answer)
        worker = self._free_worker()
        if worker is not None and not self._queue:
            worker.send(call)
            self._watch()
        elif len(self._queue) >= self._max_queue:
            answer.set_exception(
                Unavailable(f"{len(self._queue)} calls of {self.definition.label} are waiting already.")
            )
        elif self._ended:
            answer.set_exception(self._closed())
        else:
            self._queue.append(call)
            self._grow()
        return answer

    def _free_worker(self) -> PoolWorker | None:
        best: PoolWorker | None = None
        least = self._window
        for worker in self._workers:
            load = len(worker.in_flight)
            if load < least:
                best, least = worker, load
        return best

    def _on_answer(self, microseconds: int) -> None:
        mean = self._mean_microseconds = 0.95 * self._mean_microseconds + 0.05 * microseconds
        self._window = max(1, min(_MAX_IN_FLIGHT, int(_IN_FLIGHT_MICROSECONDS / (mean + 1))))
        if self._queue:
            self._pump()
        elif self._closing:
            self._check_drained()

    def _pump(self) -> None:
        while self._queue:
            worker = self._free_worker()
            if worker is None:
                return
            call = self._queue.popleft()
            if not call.answer.done():
                worker.send(call)
        self._watch()

    def _watch(self) -> None:
        """Look into the outboxes now and then while calls are out: a reply may wait there behind a long call."""
        if self._watching is None:
            self._watching = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._watching = None
        for worker in list(self._workers):
            worker.look()
        if any(worker.in_flight for worker in self._workers):
            self._watch()

    # ----------------------------------------------------------------------------------------------- workers

    def _grow(self) -> None:
        # What is being closed still gets the workers that its last calls need.
        while len(self._workers) + self._starting < self._size and (self._queue or not self._closing):
            self._starting += 1
            task = asyncio.get_running_loop().create_task(self._start_worker())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Load the version in a first, clean worker; the others start behind it.

        Raises LoadFailed, WorkerLost, Unavailable, StorageFull, OSError, or what `check` raises.
        """
        self._starting += 1
        before = self._turned_out
        try:
            worker = await self._new_worker()
        finally:
            self._starting -= 1
        self._take_in(worker, before)
        self._grow()

    def start_all(self) -> None:
        """Have all workers started, in the background, as the first call would."""
        self._grow()

    async def _start_worker(self) -> None:
        before = self._turned_out
        try:
            worker = await self._new_worker()
        except Exception as error:
            self._starting -= 1
            _log.warning("a worker of %s could not start: %s", self.definition.label, error)
            if not self._workers and not self._starting:
                self._fail_queue(error)
                self._check_drained()
            return
        self._starting -= 1
        if self._take_in(worker, before):
            self._pump()
        else:
            self._grow()

    def _take_in(self, worker: PoolWorker, turned_out_before: int) -> bool:
        """Give calls to a worker, unless all workers have been ended since it began to load."""
        if self._turned_out != turned_out_before:
            worker.kill()
            return False
        self._workers.append(worker)
        return True

    def end_workers(self, error: Exception) -> None:
        """Fail every call, those under way and those that wait, with `error`, and end all workers at once.

        What is called next gets new ones, which `check` may speak against.
        """
        self._turned_out += 1
        workers, self._workers = self._workers, []
        for worker in workers:
            for call in worker.in_flight:
                if not call.answer.done():
                    call.answer.set_exception(error)
            worker.kill()
        self._fail_queue(error)
        if self._closing:
            self._check_drained()

    def _closed(self) -> Unavailable:
        return Unavailable(f"{self.definition.label} has been changed, deleted or closed; try again.")

    def _fail_queue(self, error: Exception) -> None:
        while self._queue:
            call = self._queue.popleft()
            if not call.answer.done():
                call.answer.set_exception(error)

    async def _new_worker(self) -> PoolWorker:
        """Fork a worker and have it load the version."""
        if self._check is not None:
            await self._check()
        directory = self._scratch / f"worker-{secrets.token_hex(8)}"
        work, pristine = directory / "work", directory / "pristine"
        try:
            work.mkdir(parents=True)
            pristine.mkdir()
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        ours, theirs = socket.socketpair()
        descriptor = Outbox.create() if USABLE else None
        outbox = None if descriptor is None else Outbox(descriptor)
        loop = asyncio.get_running_loop()
        places = {"directory": str(work), "pristine": str(pristine)}
        try:
            process = await self._zygote.fork("worker", places, theirs, descriptor)
        except BaseException:
            ours.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        finally:
            if descriptor is not None:
                os.close(descriptor)
        process.ended.add_done_callback(lambda _: loop.run_in_executor(None, _remove, directory))
        ours.setblocking(False)
        _, worker = await loop.create_unix_connection(
            lambda: PoolWorker(self._on_answer, self._on_lost, outbox), sock=ours
        )
        worker.process = process
        # What died with the zygote is let go of at once, so that no call is sent there. Otherwise the channel ends by
        # itself, behind the last replies in it.
        process.ended.add_done_callback(lambda _: worker.close() if process.orphaned else None)
        load = Call(json.dumps(self.definition.to_json()).encode(), loop.create_future())
        worker.send(load, Request.LOAD)
        try:
            status, answer = await asyncio.wait_for(load.answer, _LOAD_TIMEOUT_SECONDS)
        except TimeoutError:
            worker.kill()
            raise LoadFailed(f"Loading took longer than {_LOAD_TIMEOUT_SECONDS} s.") from None
        except WorkerLost as lost:
            raise LoadFailed(f"The worker ended while it loaded the version: {lost}") from None
        except asyncio.CancelledError:
            worker.kill()
            raise
        if status != 200:
            worker.close()
            failure = json.loads(answer)
            if status == StorageFull.status:
                raise StorageFull("The disk of the server is full: the version could not be loaded.")
            raise LoadFailed(failure["message"], failure["traceback"])
        worker.loaded = True
        self._started += 1
        self.notes = tuple(whole_texts(json.loads(answer)["notes"]))
        return worker

    def _on_lost(self, worker: PoolWorker) -> None:
        """The oldest unanswered call is what the worker died of; the others are moved."""
        was_serving = worker in self._workers
        if was_serving:
            self._workers.remove(worker)
            if not self._ended:
                self._lost += 1
                self._log_lost(worker.process)
        pending = [call for call in worker.in_flight if not call.answer.done()]
        worker.in_flight.clear()
        if pending:
            self._report_lost(pending[0], worker.process)
            self._queue.extendleft(reversed(pending[1:]))
        if self._ended:
            self._fail_queue(self._closed())
        elif was_serving:
            self._grow()
            self._pump()
        if self._closing:
            self._check_drained()

    def _log_lost(self, process: ForkedProcess | None) -> None:
        def write(how: str) -> None:
            self._losses.write("a worker of %s has ended by itself (%s)", self.definition.label, how)

        if process is None:
            write(_UNKNOWN)
        else:
            process.ended.add_done_callback(lambda ended: write(describe_exit(ended.result())))

    def _report_lost(self, call: Call, process: ForkedProcess | None) -> None:
        def answer(code: int | None) -> None:
            if not call.answer.done():
                how = _UNKNOWN if code is None else describe_exit(code)
                call.answer.set_exception(WorkerLost(f"The worker process of this call ended ({how})."))

        if process is None:
            answer(None)
        else:
            # The zygote's notice follows the closed channel within milliseconds and says why.
            process.ended.add_done_callback(lambda ended: answer(ended.result()))
            asyncio.get_running_loop().call_later(1.0, answer, None)

    # ------------------------------------------------------------------------------------------------- ending

    @property
    def size(self) -> int:
        """How many workers there are once they have been needed."""
        return self._size

    @property
    def workers(self) -> int:
        """How many workers are ready."""
        return len(self._workers)

    @property
    def starting(self) -> int:
        """How many workers are being started."""
        return self._starting

    @property
    def busy(self) -> int:
        """How many workers have a call."""
        return sum(bool(worker.in_flight) for worker in self._workers)

    @property
    def started(self) -> int:
        """How many workers have been started so far."""
        return self._started

    @property
    def lost(self) -> int:
        """How many of them have ended by themselves."""
        return self._lost

    @property
    def waiting(self) -> int:
        """How many calls wait in the queue."""
        return len(self._queue)

    def _check_drained(self) -> None:
        if not self._queue and not any(worker.in_flight for worker in self._workers):
            self._drained.set()

    async def close(self, grace_seconds: float = 30.0) -> None:
        """Finish the calls that have begun or wait, then end the workers."""
        self._closing = True
        self._check_drained()
        try:
            if not self._drained.is_set():
                await asyncio.wait_for(self._drained.wait(), grace_seconds)
        except TimeoutError:
            _log.warning("calls of %s did not end within %s s", self.definition.label, grace_seconds)
        self._ended = True
        self._fail_queue(self._closed())
        for task in list(self._tasks):
            task.cancel()
        for worker in list(self._workers):
            worker.kill()


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _log.warning("could not remove %s", os.fspath(directory))
