"""A batch execution as an object: how far it is, its results as they come, its files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from jupyter_deployr.client.local_files import target_path, written_whole
from jupyter_deployr.client.results import CallResult
from jupyter_deployr.client.tables import html_table
from jupyter_deployr.protocol.errors import ExecutionFailed, NotFound, ServerUnreachable, TimedOut, Unavailable
from jupyter_deployr.protocol.models import BatchWebServiceResult, ParameterDefinition

if TYPE_CHECKING:
    from jupyter_deployr.client.api import DeployRClient

_ENDED = ("Complete", "Failed")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# Partial results come from the first on each time: to read them may take so much of the time that is waited.
_READING_SHARE = 0.1
# An execution survives a restart of its server, so that waiting for it does too.
_SERVER_AWAY_SECONDS = 60.0


@dataclass(frozen=True)
class BatchStatus:
    """How far a batch is. `state` is `Pending`, `Ready`, `InProgress`, `Complete` or `Failed`; `completed` of `total`
    records have their result; `error_message` says why a batch failed as a whole."""

    state: str
    completed: int
    total: int
    error_message: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in _ENDED


class Batch:
    """A batch execution, which runs in the server whether or not anybody waits for it.

    Iterating gives the result of each record, in their order, as soon as it is there, with a bar unless `progress` is
    false or all are there; `len(batch)` is the number of records. Every method may raise NotFound, when the execution
    was cancelled or is forgotten, and what every operation may raise (`DeployRClient`).
    """

    def __init__(
        self,
        client: DeployRClient,
        name: str,
        version: str,
        execution_id: str,
        outputs: Sequence[ParameterDefinition],
        *,
        progress: bool = True,
    ) -> None:
        """`outputs` are the version's definitions; `progress` says whether waiting and iterating show a bar."""
        self._client = client
        self._outputs = outputs
        self._progress = progress
        self._whole: BatchWebServiceResult | None = None
        self._total: int | None = None
        self.name = name
        self.version = version
        self.id = execution_id

    @classmethod
    def find(cls, client: DeployRClient, name: str, version: str, execution_id: str) -> Batch:
        """One that was started before. Raises NotFound."""
        batch = cls(client, name, version, execution_id, ())
        batch.status()
        with contextlib.suppress(NotFound):  # of a deleted version, the caller's batches can still be seen
            batch._outputs = client.get_web_service_version(name, version)[-1].output_parameter_definitions
        return batch

    def status(self) -> BatchStatus:
        """How far it is (`GetBatchExecutionStatus`)."""
        return _status_of(self._read(partial=False))

    def results(self) -> list[CallResult]:
        """What there is now: the results up to the first record that has none yet. After the end they are all; of a
        batch that failed, a failure for each record that was not run."""
        return list(self._results_in(self._read(partial=True), 0))

    def __iter__(self) -> Iterator[CallResult]:
        position = 0
        read_again = 0.0
        shown = self._progress and self._whole is None
        with self._said_when_interrupted(), _bar(f"{self.name} {self.version}", shown) as show:
            for seconds in _pauses():
                begun = time.monotonic()
                partial = begun >= read_again
                answer = self._patiently(partial)
                read_again = time.monotonic() + (time.monotonic() - begun) / _READING_SHARE if partial else read_again
                status = _status_of(answer)
                show(status)
                for result in self._results_in(answer, position):
                    position += 1
                    yield result
                if status.ended and (partial or status.state == "Complete"):
                    return
                read_again = 0.0 if status.ended else read_again
                time.sleep(0 if status.ended else seconds)

    def __len__(self) -> int:
        if self._total is None:
            self._total = self.status().total
        return self._total

    def wait(self, progress: bool | None = None, timeout: float | None = None) -> BatchStatus:
        """Return at the end of the batch; show a bar meanwhile, unless `progress` is false or nobody looks.

        Ctrl-C, or the stop button, leaves the batch running. Raises TimedOut when it isn't at its end after `timeout`
        seconds (it goes on), ExecutionFailed when it failed as a whole; a record that failed is no error here.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        shown = self._progress if progress is None else progress
        with self._said_when_interrupted(), _bar(f"{self.name} {self.version}", shown) as show:
            for seconds in _pauses():
                status = _status_of(self._patiently(partial=False))
                show(status)
                if status.ended:
                    break
                left = seconds if give_up is None else min(seconds, give_up - time.monotonic())
                if left <= 0:
                    raise TimedOut(
                        f"After {timeout:g} s, {status.completed} of {status.total} records are done. {self._goes_on()}"
                    )
                time.sleep(left)
        if status.state == "Failed":
            raise ExecutionFailed(f"The batch failed: {status.error_message or 'the server gave no reason.'}")
        return status

    def files(self, index: int) -> list[str]:
        """The names of the files that record `index`, counted from 0, wrote (`GetBatchExecutionFiles`)."""
        return self._client.get_batch_execution_files(self.name, self.version, self.id, index)

    @overload
    def download(self, index: int, name: str) -> bytes: ...
    @overload
    def download(self, index: int, name: str, to: str | os.PathLike[str]) -> Path: ...
    def download(self, index: int, name: str, to: str | os.PathLike[str] | None = None) -> bytes | Path:
        """The content of a file that record `index` wrote (`GetBatchExecutionFile`), or with `to`, a file or a folder
        of this machine, the path that it was written to."""
        content = self._client.get_batch_execution_file(self.name, self.version, self.id, index, name)
        if to is None:
            return content
        target = target_path(to, name)
        with written_whole(target) as file:
            file.write(content)
        return target

    def cancel(self) -> None:
        """Stop it if it runs, and delete its results and files (`CancelAndDeleteBatchExecution`)."""
        self._client.cancel_and_delete_batch_execution(self.name, self.version, self.id)
        self._whole = None

    def __repr__(self) -> str:
        return f"<Batch {self.id} of {self.name} {self.version} at {self._client.base_url}>"

    def _repr_html_(self) -> str:
        return html_table(("Batch", "Service", "Version"), [(self.id, self.name, self.version)])

    # ----------------------------------------------------------------------------------------------------- reading

    def _read(self, *, partial: bool) -> BatchWebServiceResult:
        if self._whole is not None:
            return self._whole
        answer = self._client.get_batch_execution_status(self.name, self.version, self.id, partial)
        self._total = answer.total_item_count
        if answer.state == "Complete" or (partial and answer.state == "Failed"):
            self._whole = answer
        return answer

    def _patiently(self, partial: bool) -> BatchWebServiceResult:
        """As `_read`, also while the server restarts."""
        give_up = time.monotonic() + _SERVER_AWAY_SECONDS
        while True:
            try:
                return self._read(partial=partial)
            except (ServerUnreachable, Unavailable):
                if time.monotonic() >= give_up:
                    raise
            time.sleep(_LONGEST_PAUSE)

    def _results_in(self, answer: BatchWebServiceResult, start: int) -> Iterator[CallResult]:
        """The results in `answer` from record `start` on."""
        for index, result in enumerate((answer.batch_execution_results or [])[start:], start):
            yield CallResult(self._outputs, result, index)

    @contextmanager
    def _said_when_interrupted(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._goes_on()) from None

    def _goes_on(self) -> str:
        found = f"client.batch({self.name!r}, {self.version!r}, {self.id!r})"
        return f"The batch {self.id} goes on in the server: {found} finds it again, its .cancel() ends it."


def _status_of(answer: BatchWebServiceResult) -> BatchStatus:
    return BatchStatus(
        answer.state or "", answer.completed_item_count or 0, answer.total_item_count or 0, answer.error_message or ""
    )


def _pauses() -> Iterator[float]:
    """Seconds between looks: a tenth of the time that has passed, within limits."""
    begun = time.monotonic()
    while True:
        yield min(max(_SHORTEST_PAUSE, (time.monotonic() - begun) / 10), _LONGEST_PAUSE)


@contextmanager
def _bar(title: str, wanted: bool) -> Iterator[Callable[[BatchStatus], None]]:
    """A bar of the records done, in a notebook or a terminal; none where the output is no terminal."""
    if not wanted:
        yield lambda status: None
        return
    from tqdm.auto import tqdm

    bar: tqdm[Any] = tqdm(desc=title, unit="record", disable=None)

    def show(status: BatchStatus) -> None:
        bar.total = status.total
        bar.set_postfix_str(status.state, refresh=False)
        bar.update(status.completed - bar.n)
        bar.refresh()

    try:
        yield show
    finally:
        bar.close()
