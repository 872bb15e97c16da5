"""Requests and responses, under their API names: one definition for client and server.

Each model is a pydantic dataclass: positional construction in the order of the published description, snake_case
attributes, camelCase members on the wire (`AccessTokenResponse` travels in snake_case, as it always has). Every
member is optional here as it is in the published description; what an operation needs, it checks itself.
"""

from jupyter_deployr.protocol.models.access import (
    AccessTokenResponse,
    LoginRequest,
    RenewTokenRequest,
)
from jupyter_deployr.protocol.models.activity import (
    ChangeEvent,
    FailedCall,
    LatencyQuantiles,
    MinuteStats,
    ServiceLog,
    ServiceStats,
    WorkerStats,
)
from jupyter_deployr.protocol.models.administration import (
    CreateOrUpdateServicePoolRequest,
    Environment,
    Error,
    GetComputeNodesResponse,
    ServicePoolStatusResponse,
    StatusResponse,
    UpdateComputeNodesRequest,
)
from jupyter_deployr.protocol.models.batches import (
    DEFAULT_PARALLEL_COUNT,
    BatchWebServiceResult,
    StartBatchExecutionResponse,
)
from jupyter_deployr.protocol.models.services import (
    ParameterDefinition,
    PublishWebServiceRequest,
    WebService,
    WebServiceResult,
)
from jupyter_deployr.protocol.models.sessions import (
    CompleteRequest,
    ConsoleOutputResponse,
    CreateSessionRequest,
    CreateSessionResponse,
    ExecuteRequest,
    ExecuteResponse,
    InspectRequest,
    Session,
    SessionDetails,
    WorkspaceObject,
)
from jupyter_deployr.protocol.models.snapshots import (
    CreateSnapshotRequest,
    CreateSnapshotResponse,
    LoadSnapshotResponse,
    SavedObject,
    Snapshot,
    SnapshotProgress,
    UnkeptObject,
)
from jupyter_deployr.protocol.models.wire import (
    to_wire,
)

__all__ = [
    "DEFAULT_PARALLEL_COUNT",
    "AccessTokenResponse",
    "BatchWebServiceResult",
    "ChangeEvent",
    "CompleteRequest",
    "ConsoleOutputResponse",
    "CreateOrUpdateServicePoolRequest",
    "CreateSessionRequest",
    "CreateSessionResponse",
    "CreateSnapshotRequest",
    "CreateSnapshotResponse",
    "Environment",
    "Error",
    "ExecuteRequest",
    "ExecuteResponse",
    "FailedCall",
    "GetComputeNodesResponse",
    "InspectRequest",
    "LatencyQuantiles",
    "LoadSnapshotResponse",
    "LoginRequest",
    "MinuteStats",
    "ParameterDefinition",
    "PublishWebServiceRequest",
    "RenewTokenRequest",
    "SavedObject",
    "ServiceLog",
    "ServicePoolStatusResponse",
    "ServiceStats",
    "Session",
    "SessionDetails",
    "Snapshot",
    "SnapshotProgress",
    "StartBatchExecutionResponse",
    "StatusResponse",
    "UnkeptObject",
    "UpdateComputeNodesRequest",
    "WebService",
    "WebServiceResult",
    "WorkerStats",
    "WorkspaceObject",
    "to_wire",
]
