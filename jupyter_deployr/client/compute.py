"""The operations on what runs user code: the workers of a version, and the compute nodes."""

from __future__ import annotations

from jupyter_deployr.client.calls import Caller, Headers, path
from jupyter_deployr.protocol.models import (
    CreateOrUpdateServicePoolRequest,
    GetComputeNodesResponse,
    ServicePoolStatusResponse,
    UpdateComputeNodesRequest,
)


class ComputeOperations:
    """Part of DeployRClient."""

    _caller: Caller

    def create_or_update_service_pool(
        self, name: str, version: str, request: CreateOrUpdateServicePoolRequest, headers: Headers = None
    ) -> str:
        """`createOrUpdateServicePool`: start the workers of a version before its first call.

        Returns at once; `get_service_pool_status` says when they run. The server checks sizes,
        but has as many workers as it is set to. Raises BadRequest, Forbidden, NotFound.
        """
        return self._caller.call(str, "POST", path("services", name, version, "pool"), headers, model=request)

    def get_service_pool_status(
        self, name: str, version: str, headers: Headers = None
    ) -> list[ServicePoolStatusResponse]:
        """`getServicePoolStatus`: for each compute node, whether the workers of a version run. Raises NotFound."""
        where = path("services", name, version, "pool")
        return self._caller.call(list[ServicePoolStatusResponse], "GET", where, headers)

    def delete_service_pool(self, name: str, version: str, headers: Headers = None) -> str:
        """`deleteServicePool`: end the workers of a version; its next call starts new ones.

        Raises Forbidden, NotFound, Conflict.
        """
        return self._caller.call(str, "DELETE", path("services", name, version, "pool"), headers)

    def get_compute_nodes(self, headers: Headers = None) -> GetComputeNodesResponse:
        """`getComputeNodes`: the endpoints of the compute nodes."""
        return self._caller.call(GetComputeNodesResponse, "GET", path("computenodes"), headers)

    def set_compute_nodes(self, entries: UpdateComputeNodesRequest, headers: Headers = None) -> None:
        """`setComputeNodes`: set all nodes. Raises BadRequest (nodes that the server can't use), Forbidden."""
        self._change("POST", entries, headers)

    def add_compute_node(self, entries: UpdateComputeNodesRequest, headers: Headers = None) -> None:
        """`addComputeNode`: add compute nodes. Raises BadRequest (nodes that the server can't use), Forbidden."""
        self._change("PUT", entries, headers)

    def remove_compute_node(self, entries: UpdateComputeNodesRequest, headers: Headers = None) -> None:
        """`removeComputeNode`: remove compute nodes. Raises BadRequest (the only one, an unknown one), Forbidden."""
        self._change("DELETE", entries, headers)

    def _change(self, method: str, entries: UpdateComputeNodesRequest, headers: Headers) -> None:
        self._caller.call(type(None), method, path("computenodes"), headers, model=entries)
