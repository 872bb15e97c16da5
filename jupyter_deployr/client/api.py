"""The client of the REST API: one method per operation, under the snake_case of its operationId."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO

from jupyter_deployr.client.activity import ActivityOperations
from jupyter_deployr.client.batch import Batch
from jupyter_deployr.client.batches import BatchOperations
from jupyter_deployr.client.calls import Caller, Headers, as_body, as_model, path
from jupyter_deployr.client.compute import ComputeOperations
from jupyter_deployr.client.inputs import inputs_as_json
from jupyter_deployr.client.network import Network
from jupyter_deployr.client.realtime import RealtimeOperations
from jupyter_deployr.client.service import Service
from jupyter_deployr.client.session import AnySnapshot, Session
from jupyter_deployr.client.sessions import SessionOperations
from jupyter_deployr.client.tokens import TokenKeeper
from jupyter_deployr.client.transport import Timeouts, Transport
from jupyter_deployr.protocol import models
from jupyter_deployr.protocol.errors import Unauthorized, from_response
from jupyter_deployr.protocol.models import (
    AccessTokenResponse,
    CreateSessionRequest,
    CreateSessionResponse,
    CreateSnapshotRequest,
    CreateSnapshotResponse,
    LoadSnapshotResponse,
    LoginRequest,
    PublishWebServiceRequest,
    RenewTokenRequest,
    Snapshot,
    SnapshotProgress,
    StatusResponse,
    WebService,
    WebServiceResult,
    to_wire,
)


class DeployRClient(SessionOperations, BatchOperations, RealtimeOperations, ComputeOperations, ActivityOperations):
    """Speaks to one DeployR server. May be used from several threads at once.

    After `login` the client keeps the token pair in memory, sends the access token with every operation and renews it
    by itself. `headers`, the last argument of every operation, is for those who keep tokens themselves: an
    `Authorization` in it counts instead.

    Every operation may raise ServerUnreachable (no answer, or none in time), UnexpectedResponse (the answer is not of
    this protocol), Unauthorized (no valid token) and ServerFault; what else it raises stands with it.
    """

    def __init__(self, base_url: str, *, timeouts: Timeouts | None = None, network: Network | None = None) -> None:
        """`base_url` is the server's address, such as `http://localhost:12800`."""
        self._transport = Transport(base_url, timeouts or Timeouts(), network)
        self._tokens = TokenKeeper(lambda refresh_token: self._renew(RenewTokenRequest(refresh_token), None))
        self._caller = Caller(self._transport, self._tokens)
        self._call = self._caller.call

    @property
    def base_url(self) -> str:
        """The server's address, without a trailing slash."""
        return self._transport.base_url

    @property
    def timeouts(self) -> Timeouts:
        """How long each kind of operation may take."""
        return self._transport.timeouts

    @property
    def signed_in(self) -> bool:
        """Whether the client holds a token pair, which the server may have ended meanwhile."""
        return self._tokens.signed_in

    def close(self) -> None:
        """Close idle connections. The client can still be used."""
        self._transport.close()

    def __enter__(self) -> DeployRClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DeployRClient({self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy, here or in another process, starts signed out: tokens don't travel.
        return partial(DeployRClient, timeouts=self.timeouts, network=self._transport.network), (self.base_url,)

    # -------------------------------------------------------------------------------------------------- objects

    def service(self, name: str, version: str | None = None) -> Service:
        """A version to call like a function; without `version`, the newest one. Raises NotFound."""
        return Service.find(self, name, version)

    def services(self) -> list[Service]:
        """Every version of every service."""
        return [Service(self, definition) for definition in self.get_all_web_services()]

    def batch(self, name: str, version: str, execution_id: str) -> Batch:
        """A batch execution that was started before, here or elsewhere. Raises NotFound."""
        return Batch.find(self, name, version, execution_id)

    def session(
        self, name: str | None = None, *, snapshot: AnySnapshot | None = None, label: str | None = None
    ) -> Session:
        """A new session, with what `snapshot` has in it. `label` says what uses it, such as a notebook's path.

        Raises NotFound (no such snapshot), Unavailable.
        """
        return Session.start(self, name, snapshot, label)

    def attach(self, session_id: str) -> Session:
        """A session that is live. Raises NotFound, Gone."""
        return Session(self, session_id, name=self.get_session(session_id).name or "")

    # ------------------------------------------------------------------------------------------- authentication

    def use_token(self, access_token: str, refresh_token: str | None = None) -> None:
        """Use a token pair that somebody else has got. Without `refresh_token`, the sign-in ends with the token.

        Raises Unauthorized for what can't be a token.
        """
        if not (isinstance(access_token, str) and access_token.isascii() and access_token.isprintable()):
            raise Unauthorized("An access token is text of ASCII characters; this one is not.")
        self._tokens.keep(AccessTokenResponse("Bearer", access_token, refresh_token=refresh_token))

    def login(self, login_request: LoginRequest, headers: Headers = None) -> AccessTokenResponse:
        """`login`: exchange name and password for a token pair, which the client keeps. Raises Unauthorized."""
        document = self._transport.send("POST", "/login", body=to_wire(login_request), headers=headers)
        pair = as_model(AccessTokenResponse, document)
        self._tokens.keep(pair)
        return pair

    def renew_token(self, renew_token_request: RenewTokenRequest, headers: Headers = None) -> AccessTokenResponse:
        """`renewToken`: a new pair for a refresh token, which is spent by that. Raises Unauthorized."""
        pair = self._renew(renew_token_request, headers)
        self._tokens.replace(renew_token_request.refresh_token, pair)
        return pair

    def revoke_refresh_token(self, refresh_token: str, headers: Headers = None) -> None:
        """`revokeRefreshToken`: end a refresh token and the access token of its pair. Raises Unauthorized."""
        query = {"refreshToken": refresh_token}
        self._transport.send("DELETE", "/login/refreshToken", query=query, headers=headers)
        self._tokens.replace(refresh_token, None)

    def _renew(self, request: RenewTokenRequest, headers: Headers) -> AccessTokenResponse:
        document = self._transport.send("POST", "/login/refreshToken", body=to_wire(request), headers=headers)
        return as_model(AccessTokenResponse, document)

    # --------------------------------------------------------------------------------------------------- status

    def status(self, headers: Headers = None) -> StatusResponse:
        """`status`: the health of the server and of its components, a tree of `pass`, `warn` and `fail`."""
        return self._call(StatusResponse, "GET", "/status", headers)

    # ------------------------------------------------------------------------------------------------- sessions

    def create_session(
        self, create_session_request: CreateSessionRequest, headers: Headers = None
    ) -> CreateSessionResponse:
        """`createSession`: start a session. Raises NotFound (no such snapshot), BadRequest (unknown runtime type)."""
        timeout = self.timeouts.call
        return self._call(
            CreateSessionResponse, "POST", "/sessions", headers, model=create_session_request, timeout=timeout
        )

    def list_sessions(self, headers: Headers = None) -> list[models.Session]:
        """`listSessions`: the caller's live sessions."""
        return self._call(list[models.Session], "GET", "/sessions", headers)

    def cancel_session(self, id: str, headers: Headers = None) -> str:  # noqa: A002
        """`cancelSession`: interrupt what session `id` executes; the session lives on. Raises NotFound, Gone."""
        return self._call(str, "POST", path("sessions", id, "cancel"), headers)

    def close_session(self, id: str, headers: Headers = None) -> str:  # noqa: A002
        """`closeSession`: end session `id` with everything in it. Raises NotFound, Gone."""
        return self._call(str, "DELETE", path("sessions", id), headers)

    def close_session_by_force(self, id: str, headers: Headers = None) -> str:  # noqa: A002
        """`closeSessionByForce`: end session `id` even while it executes. Raises NotFound, Gone."""
        return self._call(str, "DELETE", path("sessions", id, "force"), headers)

    # ------------------------------------------------------------------------------------------------ snapshots

    def create_snapshot(
        self,
        id: str,  # noqa: A002
        create_snapshot_request: CreateSnapshotRequest,
        headers: Headers = None,
        *,
        on_progress: Callable[[SnapshotProgress], None] | None = None,
    ) -> CreateSnapshotResponse:
        """`CreateSnapshot`: save the workspace and the working directory's files of session `id`.

        `not_kept` of the answer names what could not be saved. `on_progress` is called some times a second while a
        large one is saved. Raises NotFound, Gone, StorageFull, BadRequest (an unknown name in `only` or `drop`; with
        `strict`, something that can't be kept), Conflict (interrupted).
        """
        target = path("sessions", id, "snapshot")
        body = as_body(create_snapshot_request)

        def send(sent: dict[str, str]) -> CreateSnapshotResponse:
            document: Any = None
            for document in self._transport.lines(
                "POST", target, body=body, headers=sent, timeout=self.timeouts.execution
            ):
                if "written" in document and on_progress is not None:
                    on_progress(as_model(SnapshotProgress, document))
            if "exceptionType" in document:
                raise from_response(document["code"], document)
            return as_model(CreateSnapshotResponse, document)

        return self._caller.with_token(headers, send)

    def get_snapshot_content(self, id: str, target: BinaryIO, headers: Headers = None) -> int:  # noqa: A002
        """`GetSnapshotContent`: write snapshot `id` as a zip to the file `target`; returns its bytes.

        In it are workspace.dill (for `dill.load`: a dict of names and values), manifest.json, and the files of the
        working directory below files/. Raises NotFound, BadRequest (made by another Python), StorageFull.
        """
        source = path("snapshots", id)
        return self._caller.with_token(
            headers,
            lambda sent: self._transport.download(source, target, headers=sent, timeout=self.timeouts.execution),
        )

    def list_snapshots(self, headers: Headers = None) -> list[Snapshot]:
        """`ListSnapshots`: the caller's snapshots."""
        return self._call(list[Snapshot], "GET", "/snapshots", headers)

    def load_snapshot(self, id: str, snapshot_id: str, headers: Headers = None) -> LoadSnapshotResponse:  # noqa: A002
        """`LoadSnapshot`: put a snapshot's variables and files into session `id`, over those of the same names.

        The answer says how the server's packages differ from those that the snapshot was made with. Raises NotFound
        (no such session or snapshot), Gone, BadRequest (it can't be loaded by the server's Python).
        """
        target = path("sessions", id, "loadsnapshot", snapshot_id)
        return self._call(LoadSnapshotResponse, "POST", target, headers, timeout=self.timeouts.execution)

    def delete_snapshot(self, id: str, headers: Headers = None) -> str:  # noqa: A002
        """`DeleteSnapshot`: delete snapshot `id`; versions published from it keep their own copy. Raises NotFound."""
        return self._call(str, "DELETE", path("snapshots", id), headers)

    # ------------------------------------------------------------------------------------------------- services

    def get_all_web_services(self, headers: Headers = None) -> list[WebService]:
        """`getAllWebServices`: every version of every service."""
        return self._call(list[WebService], "GET", "/services", headers)

    def get_all_web_service_versions_by_name(self, name: str, headers: Headers = None) -> list[WebService]:
        """`getAllWebServiceVersionsByName`: the versions of `name`, oldest first; none for an unknown name."""
        return self._call(list[WebService], "GET", path("services", name), headers)

    def get_web_service_version(self, name: str, version: str, headers: Headers = None) -> list[WebService]:
        """`getWebServiceVersion`: a list of the one version. Raises NotFound."""
        return self._call(list[WebService], "GET", path("services", name, version), headers)

    def publish_web_service(self, name: str, publish_request: PublishWebServiceRequest, headers: Headers = None) -> str:
        """`publishWebService`: publish under a version that the server makes up.

        Returns the path to call, such as `/api/Iris/0b3c…`. Raises BadRequest (also when the version can't be loaded in
        a clean worker), Forbidden (the name is someone else's), NotFound (no such snapshot).
        """
        timeout = self.timeouts.call
        return self._call(str, "POST", path("services", name), headers, model=publish_request, timeout=timeout)

    def publish_web_service_version(
        self, name: str, version: str, publish_request: PublishWebServiceRequest, headers: Headers = None
    ) -> str:
        """`publishWebServiceVersion`: as `publish_web_service`; also raises Conflict when the version exists."""
        timeout = self.timeouts.call
        return self._call(str, "POST", path("services", name, version), headers, model=publish_request, timeout=timeout)

    def patch_web_service_version(
        self, name: str, version: str, patch_request: PublishWebServiceRequest, headers: Headers = None
    ) -> str:
        """`patchWebServiceVersion`: change the members that `patch_request` has. Returns the path to call.

        Raises BadRequest, Forbidden (someone else's), NotFound (no such version or snapshot).
        """
        timeout = self.timeouts.call
        return self._call(str, "PATCH", path("services", name, version), headers, model=patch_request, timeout=timeout)

    def delete_web_service_version(self, name: str, version: str, headers: Headers = None) -> None:
        """`deleteWebServiceVersion`: take a version away. Raises Forbidden (someone else's), NotFound."""
        self._call(object, "DELETE", path("services", name, version), headers)

    # ---------------------------------------------------------------------------------------------- consumption

    def get_web_service_swagger(self, name: str, version: str, headers: Headers = None) -> dict[str, Any]:
        """`GetWebServiceSwagger`: the Swagger 2.0 document of one version. Raises NotFound."""
        return self._call(dict[str, Any], "GET", path("api", name, version, "swagger.json"), headers)

    def get_web_service_open_api(self, name: str, version: str, headers: Headers = None) -> dict[str, Any]:
        """`GetWebServiceOpenApi`: the OpenAPI 3.1 document of one version. Raises NotFound."""
        return self._call(dict[str, Any], "GET", path("api", name, version, "openapi.json"), headers)

    def consume(self, name: str, version: str, inputs: Mapping[str, Any], headers: Headers = None) -> WebServiceResult:
        """`ConsumeWebService`: call a service. `inputs` maps names to JSON values, numpy arrays or pandas objects.

        Code that raises is no error here: `success` is false then. Raises InvalidInputs (names every input at fault),
        NotFound, WorkerLost, TimedOut, Unavailable.
        """
        body = inputs_as_json(inputs)
        return self._call(
            WebServiceResult, "POST", path("api", name, version), headers, body=body, timeout=self.timeouts.call
        )
