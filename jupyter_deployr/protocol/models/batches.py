"""Batch executions."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.services import WebServiceResult
from jupyter_deployr.protocol.models.wire import CAMEL

DEFAULT_PARALLEL_COUNT = 10
"""How many records of a batch are worked on at a time, where a request doesn't say."""


@dataclass(config=CAMEL)
class StartBatchExecutionResponse:
    """Answer of `StartBatchExecution`. It travels under both spellings that servers and clients have used."""

    batch_execution_id: str | None = Field(
        default=None, validation_alias=AliasChoices("batchExecutionId", "BatchExecutionId", "batch_execution_id")
    )


@dataclass(config=CAMEL)
class BatchWebServiceResult:
    """Answer of `GetBatchExecutionStatus`. `state` is one of `Pending`, `Ready`, `InProgress`, `Complete`, `Failed`.

    `batch_execution_results` are at their records' positions: up to the first record that has none yet, or none until
    the end when partial results were not wanted. `error_message` (ours) says why the execution failed.
    """

    state: str | None = None
    completed_item_count: int | None = None
    total_item_count: int | None = None
    batch_execution_results: list[WebServiceResult] | None = None
    error_message: str | None = None
