"""The operations on batch executions."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_deployr.client.calls import Caller, Headers, path
from jupyter_deployr.client.inputs import records_as_json
from jupyter_deployr.client.transport import Transport
from jupyter_deployr.protocol.models import BatchWebServiceResult, StartBatchExecutionResponse


class BatchOperations:
    """Part of DeployRClient: services called for many records, in the background of the server.

    Of an execution that is not the caller's own, every operation says NotFound.
    """

    _transport: Transport
    _caller: Caller

    def start_batch_execution(
        self,
        name: str,
        version: str,
        records: Iterable[Mapping[str, Any]],
        parallel_count: int | None = None,
        headers: Headers = None,
    ) -> StartBatchExecutionResponse:
        """`StartBatchExecution`: call a service once for each of `records`, each a mapping as `consume` takes it.

        At most `parallel_count` records (the server's default is 10) are worked on at a time. A record that can't be
        read or that raises has a result that says so. Raises InvalidInputs (a value without a JSON form), BadRequest
        (no records, a wrong count), NotFound, PayloadTooLarge, StorageFull.
        """
        return self._caller.call(
            StartBatchExecutionResponse,
            "POST",
            path("api", name, version, "batch"),
            headers,
            body=records_as_json(records),
            query=None if parallel_count is None else {"parallelCount": str(parallel_count)},
            timeout=self._transport.timeouts.call,
        )

    def get_batch_executions(self, name: str, version: str, headers: Headers = None) -> list[str]:
        """`GetBatchExecutions`: the ids of the caller's executions of a version, oldest first. Raises NotFound."""
        return self._caller.call(list[str], "GET", path("api", name, version, "batch"), headers)

    def get_batch_execution_status(
        self,
        name: str,
        version: str,
        execution_id: str,
        show_partial_results: bool | None = None,
        headers: Headers = None,
    ) -> BatchWebServiceResult:
        """`GetBatchExecutionStatus`: how far an execution is, and its results at their records' positions.

        Before it is complete, they end before the first record without a result; with `show_partial_results` False
        there are none until then. Raises NotFound.
        """
        shown = None if show_partial_results is None else {"showPartialResults": str(show_partial_results).lower()}
        return self._caller.call(
            BatchWebServiceResult,
            "GET",
            path("api", name, version, "batch", execution_id),
            headers,
            query=shown,
            timeout=self._transport.timeouts.call,
        )

    def cancel_and_delete_batch_execution(
        self, name: str, version: str, execution_id: str, headers: Headers = None
    ) -> list[str]:
        """`CancelAndDeleteBatchExecution`: stop an execution if it runs, and delete its results and files.

        Returns its id in a list. Raises NotFound.
        """
        return self._caller.call(list[str], "DELETE", path("api", name, version, "batch", execution_id), headers)

    def get_batch_execution_files(
        self, name: str, version: str, execution_id: str, index: int, headers: Headers = None
    ) -> list[str]:
        """`GetBatchExecutionFiles`: the names of the files that record `index` (from 0) wrote. Raises NotFound."""
        where = path("api", name, version, "batch", execution_id, str(index), "files")
        return self._caller.call(list[str], "GET", where, headers)

    def get_batch_execution_file(
        self, name: str, version: str, execution_id: str, index: int, file_name: str, headers: Headers = None
    ) -> bytes:
        """`GetBatchExecutionFile`: the content of a file that record `index` (from 0) wrote. Raises NotFound."""
        where = path("api", name, version, "batch", execution_id, str(index), "files", file_name)

        def fetch(sent: dict[str, str]) -> bytes:
            content = io.BytesIO()
            self._transport.download(where, content, headers=sent, timeout=self._transport.timeouts.call)
            return content.getvalue()

        return self._caller.with_token(headers, fetch)
