"""A published version as an object that is called like a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_deployr.client import signatures
from jupyter_deployr.client.batch import Batch
from jupyter_deployr.client.calls import path
from jupyter_deployr.client.records import records_of
from jupyter_deployr.client.results import CallResult
from jupyter_deployr.client.tables import html_table
from jupyter_deployr.protocol.errors import BadRequest, NotFound
from jupyter_deployr.protocol.models import DEFAULT_PARALLEL_COUNT, PublishWebServiceRequest, WebService

if TYPE_CHECKING:
    from pandas import DataFrame

    from jupyter_deployr.client.api import DeployRClient


class Service:
    """One version of a service, as it was defined when the object was made: `client.service("Iris", "V1.0")`.

    `help(service)` and `inspect.signature(service)` show its inputs and outputs. Every method may raise NotFound, when
    the version has been taken away, and what every operation may raise (`DeployRClient`).
    """

    def __init__(self, client: DeployRClient, definition: WebService) -> None:
        self._client = client
        self._define(definition)

    @classmethod
    def find(cls, client: DeployRClient, name: str, version: str | None) -> Service:
        """Stands for `getWebServiceVersion`, without a version (the newest is meant then) for
        `getAllWebServiceVersionsByName`. Raises NotFound."""
        if version is not None:
            found = client.get_web_service_version(name, version)
        else:
            found = client.get_all_web_service_versions_by_name(name)
        if not found:
            raise NotFound(f"There is no service named {name!r}.")
        return cls(client, found[-1])

    def _define(self, definition: WebService) -> None:
        self.definition = definition
        self.__name__ = definition.name
        self.__signature__ = signatures.signature(definition)
        self.__doc__ = signatures.documentation(definition, self.url)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.definition.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.definition.version

    @property
    def url(self) -> str:
        """Where any HTTP client sends its calls to."""
        return self._client.base_url + path("api", self.name, self.version)

    @property
    def docs_url(self) -> str:
        """The page in which one signs in, fills in the inputs and runs the version."""
        return f"{self.url}/docs"

    # ----------------------------------------------------------------------------------------------------- calls

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the service (`ConsumeWebService`) and return the value of its output, a dict of several, or None.

        Inputs are JSON values, numpy arrays or pandas objects, in the order of the definition or by name. What stands
        for a missing value (None, NA, NaT; NaN where no number is expected) is not given. A vector
        comes back as a 1-D numpy array, a matrix as a 2-D one, a data.frame as a pandas DataFrame. Raises InvalidInputs
        (missing and unknown ones before anything is sent), ExecutionFailed (the service's code raised), WorkerLost,
        TimedOut, Unavailable.
        """
        return self.consume(*args, **kwargs).value

    def consume(self, /, *args: Any, **kwargs: Any) -> CallResult:
        """As a call of the service, with all of its answer: outputs, console output, files. Code that raised is no
        error here: `success` is false then."""
        inputs = signatures.bind(self.definition, args, kwargs)
        answer = self._client.consume(self.name, self.version, inputs)
        return CallResult(self.definition.output_parameter_definitions, answer)

    def batch(
        self,
        records: Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | DataFrame,
        parallel_count: int = DEFAULT_PARALLEL_COUNT,
        progress: bool = True,
    ) -> Batch:
        """Start to call the service once for each record, in the background of the server (`StartBatchExecution`).

        `records` are mappings of inputs by name, a pandas DataFrame of which every row is a record, or a mapping of
        columns of one length. A missing value (None, NA, NaT, and NaN unless a number without a default is expected)
        is not given; a whole float is an integer where one is expected. At most `parallel_count` are worked on at a
        time; `progress` says whether waiting and iterating show a bar. Raises InvalidInputs, BadRequest (no records, a
        wrong count), PayloadTooLarge, StorageFull.
        """
        rows = records_of(self.definition.input_parameter_definitions, records)
        started = self._client.start_batch_execution(self.name, self.version, rows, parallel_count)
        return self._batch(str(started.batch_execution_id), progress)

    def batches(self) -> list[Batch]:
        """The caller's batch executions of this version, oldest first (`GetBatchExecutions`)."""
        return [self._batch(each, True) for each in self._client.get_batch_executions(self.name, self.version)]

    def _batch(self, execution_id: str, progress: bool) -> Batch:
        outputs = self.definition.output_parameter_definitions
        return Batch(self._client, self.name, self.version, execution_id, outputs, progress=progress)

    # ------------------------------------------------------------------------------------------------ publication

    def swagger(self) -> dict[str, Any]:
        """Its Swagger 2.0 document (`GetWebServiceSwagger`)."""
        return self._client.get_web_service_swagger(self.name, self.version)

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI 3.1 document (`GetWebServiceOpenApi`)."""
        return self._client.get_web_service_open_api(self.name, self.version)

    def versions(self) -> list[str]:
        """The versions of its name, oldest first (`getAllWebServiceVersionsByName`)."""
        return [each.version for each in self._client.get_all_web_service_versions_by_name(self.name)]

    def refresh(self) -> Service:
        """Read the definition again, which somebody may have changed (`getWebServiceVersion`). Returns itself."""
        self._define(self._client.get_web_service_version(self.name, self.version)[-1])
        return self

    def update(self, **changes: Any) -> Service:
        """Change the version (`patchWebServiceVersion`): `code`, `description`, `snapshot_id`,
        `input_parameter_definitions` and the other members of `models.PublishWebServiceRequest`. Returns itself.

        What isn't named stays. Raises BadRequest (also for an unknown member), Forbidden.
        """
        members = PublishWebServiceRequest.__dataclass_fields__
        unknown = sorted(changes.keys() - members.keys())
        if unknown:
            raise BadRequest(f"A version has no {', '.join(unknown)}; it has {', '.join(members)}.", fields=unknown)
        self._client.patch_web_service_version(self.name, self.version, PublishWebServiceRequest(**changes))
        return self.refresh()

    def delete(self) -> None:
        """Take the version away (`deleteWebServiceVersion`). Raises Forbidden."""
        self._client.delete_web_service_version(self.name, self.version)

    # -------------------------------------------------------------------------------------------------- appearance

    def __repr__(self) -> str:
        return f"<Service {self.version} at {self._client.base_url}: {self.name}{self.__signature__}>"

    def _repr_html_(self) -> str:
        rows = [
            (kind, str(each.name), signatures.described(each), each.description or "")
            for kind, definitions in (
                ("input", self.definition.input_parameter_definitions),
                ("output", self.definition.output_parameter_definitions),
            )
            for each in definitions
        ]
        title = html_table(("Service", "Version", "Description"), [self._title()])
        return title + html_table(("", "Name", "Type", "Description"), rows) if rows else title

    def _title(self) -> tuple[str, str, str]:
        version = f"{self.version} (broken)" if self.definition.broken else self.version
        return self.name, version, self.definition.description or ""
