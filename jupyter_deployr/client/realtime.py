"""The operations on realtime services, versions that score a serialized model without code of their own."""

from __future__ import annotations

from typing import BinaryIO

from urllib3.filepost import encode_multipart_formdata

from jupyter_deployr.client.calls import Caller, Headers, path

Model = bytes | BinaryIO
"""A serialized model: its bytes, or a file open for reading them."""


class RealtimeOperations:
    """Part of DeployRClient. Servers of this project don't offer them yet, and raise NotImplementedHere."""

    _caller: Caller

    def publish_realtime_web_service_by_name(
        self,
        name: str,
        model: Model,
        description: str | None = None,
        operation_id: str | None = None,
        headers: Headers = None,
    ) -> str:
        """`publishRealtimeWebServiceByName`: publish a model under a version that the server makes up.

        Returns the path to call. Raises NotImplementedHere, Forbidden.
        """
        return self._send("POST", path("realtime-services", name), model, description, operation_id, headers)

    def publish_realtime_web_service_by_name_version(
        self,
        name: str,
        version: str,
        model: Model,
        description: str | None = None,
        operation_id: str | None = None,
        headers: Headers = None,
    ) -> str:
        """`publishRealtimeWebServiceByNameVersion`: publish a model. Returns the path to call.

        Raises NotImplementedHere, Forbidden.
        """
        return self._send("POST", path("realtime-services", name, version), model, description, operation_id, headers)

    def patch_realtime_web_service_by_name_version(
        self,
        name: str,
        version: str,
        model: Model | None = None,
        description: str | None = None,
        operation_id: str | None = None,
        headers: Headers = None,
    ) -> str:
        """`patchRealtimeWebServiceByNameVersion`: change what is given of a version. Returns the path to call.

        Raises NotImplementedHere, Forbidden.
        """
        return self._send("PATCH", path("realtime-services", name, version), model, description, operation_id, headers)

    def _send(
        self,
        method: str,
        where: str,
        model: Model | None,
        description: str | None,
        operation_id: str | None,
        headers: Headers,
    ) -> str:
        fields: dict[str, str | tuple[str, bytes]] = {}
        if description is not None:
            fields["description"] = description
        if operation_id is not None:
            fields["operationId"] = operation_id
        if model is not None:
            fields["model"] = ("model", model if isinstance(model, bytes) else model.read())
        body, content_type = encode_multipart_formdata(fields)
        sent = {**(headers or {}), "Content-Type": content_type}
        return self._caller.call(str, method, where, sent, body=body)
