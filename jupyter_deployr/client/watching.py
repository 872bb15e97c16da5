"""Waits for an execution so that Ctrl-C, or the stop button, can stop it, whenever it comes."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from jupyter_deployr.client.executions import Event, FollowedExecution
from jupyter_deployr.protocol.errors import ExecutionOutOfReach, ServerUnreachable, TimedOut
from jupyter_deployr.protocol.models import ExecuteResponse

OnEvent = Callable[[Event], None]

STOP_LIMIT = 10.0
"""Seconds that code has to stop in."""

# An interrupt that comes before the code does would be lost; code may wait for other code, too.
_START_LIMIT = 2.0
_CANCEL_AGAIN_SECONDS = 0.5


class WatchedExecution:
    """Follows an execution in a thread of its own, so that an interrupt never hits a request halfway."""

    def __init__(self, begin: Callable[[], FollowedExecution]) -> None:
        """`begin` begins to execute the code."""
        self._begin = begin
        self._execution: FollowedExecution | None = None
        self._runs = False
        self._left = False
        self._events: deque[Event] = deque()
        self._outcome: Future[ExecuteResponse] = Future()
        # What is put into it says only that there is something to look at. Waiting for it, unlike for a Condition, is
        # one step for Python, which an interrupt can't leave half done.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def answer(self, on_event: OnEvent | None, limit: float) -> ExecuteResponse:
        """Execute the code; the answer in the end. `on_event` is called here with each message as it comes.

        Raises what following the execution does, and TimedOut after `limit` seconds; the code goes on then.
        """
        threading.Thread(target=self._follow, daemon=True).start()
        if not self._wait(on_event, limit, self._outcome.done):
            self.leave()
            known = self._execution
            again = f": .reattach({known.id!r}, {known.seen}) of its session follows it" if known else ""
            raise TimedOut(f"After {limit:g} s the remote code still runs, and goes on{again}.")
        return self._outcome.result()

    def stop(self, cancel: Callable[[], object], on_event: OnEvent | None) -> ExecuteResponse:
        """After an interrupt of `answer`: stop the code by `cancel` and wait for its end.

        A server that is away is asked again meanwhile. Raises TimedOut when the code doesn't stop,
        ExecutionOutOfReach when the server stays away, and what `answer` does.
        """
        self._wait(on_event, _START_LIMIT, lambda: self._runs)
        if not self._outcome.done():
            self._cancel(cancel, on_event)
        if not self._wait(on_event, STOP_LIMIT, self._outcome.done):
            self.leave()
            raise TimedOut("The remote code was told to stop and still runs.")
        return self._outcome.result()

    def _cancel(self, cancel: Callable[[], object], on_event: OnEvent | None) -> None:
        give_up = time.monotonic() + STOP_LIMIT
        while True:
            try:
                cancel()
            except ServerUnreachable as away:
                if time.monotonic() < give_up:
                    self._wait(on_event, _CANCEL_AGAIN_SECONDS, lambda: False)
                    continue
                self.leave()
                known = self._execution
                raise ExecutionOutOfReach(
                    f"{away} The remote code could not be told to stop, and may go on.",
                    execution_id=known.id if known else "",
                    seen=known.seen if known else 0,
                ) from None
            return

    def leave(self) -> None:
        """Let the code go on unheard."""
        self._left = True

    def _wait(self, on_event: OnEvent | None, seconds: float, enough: Callable[[], bool]) -> bool:
        """Hand out messages until `enough`, or the end; whether that came in time."""
        give_up = time.monotonic() + seconds
        while True:
            reached = enough() or self._outcome.done()
            while self._events:
                event = self._events.popleft()
                if on_event is not None:
                    on_event(event)
            if reached:
                return True
            left = give_up - time.monotonic()
            if left <= 0:
                return False
            try:
                self._news.get(timeout=min(left, threading.TIMEOUT_MAX))
            except queue.Empty:
                return False

    def _follow(self) -> None:
        try:
            execution = self._execution = self._begin()
            for event in execution:
                if self._left:
                    execution.close()
                    return
                # The first says only that the server has it.
                self._runs = self._runs or event["content"].get("execution_state") != "starting"
                self._events.append(event)
                self._news.put(None)
            self._outcome.set_result(execution.result())
        except BaseException as error:  # whatever it is, it is raised where the answer is awaited
            self._outcome.set_exception(error)
        self._news.put(None)
