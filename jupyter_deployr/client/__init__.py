"""The client for any Python program.

    import jupyter_deployr.client as deployrclient

    client = deployrclient.DeployRClient("http://localhost:12800")
    client.login(deployrclient.models.LoginRequest("admin", password))
    client.consume("Iris", "V1.0", {"flower_data": [7, 3.2, 4.7, 1.4]}).output_parameters

That is a method for each operation. `Service`, `Session` and `Batch` are objects on top of them:

    iris = client.service("Iris", "V1.0")
    iris([7, 3.2, 4.7, 1.4])

`connect()` finds server and password by itself, and starts the embedded server where none is configured.
"""

from jupyter_deployr.client.api import DeployRClient
from jupyter_deployr.client.batch import Batch, BatchStatus
from jupyter_deployr.client.connection import connect
from jupyter_deployr.client.network import Network
from jupyter_deployr.client.results import CallResult, ExecutionResult
from jupyter_deployr.client.service import Service
from jupyter_deployr.client.session import Run, Session
from jupyter_deployr.client.transport import Timeouts
from jupyter_deployr.protocol import models
from jupyter_deployr.protocol.errors import (
    BadRequest,
    Conflict,
    DeployRError,
    EmbeddedServerFailed,
    ExecutionFailed,
    ExecutionOutOfReach,
    Forbidden,
    Gone,
    InvalidInputs,
    MethodNotAllowed,
    NotFound,
    NotImplementedHere,
    PayloadTooLarge,
    ServerFault,
    ServerUnreachable,
    StorageFull,
    TimedOut,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    UnsupportedMediaType,
    WorkerLost,
)

__all__ = [
    "BadRequest",
    "Batch",
    "BatchStatus",
    "CallResult",
    "Conflict",
    "DeployRClient",
    "DeployRError",
    "EmbeddedServerFailed",
    "ExecutionFailed",
    "ExecutionOutOfReach",
    "ExecutionResult",
    "Forbidden",
    "Gone",
    "InvalidInputs",
    "MethodNotAllowed",
    "Network",
    "NotFound",
    "NotImplementedHere",
    "PayloadTooLarge",
    "Run",
    "ServerFault",
    "ServerUnreachable",
    "Service",
    "Session",
    "StorageFull",
    "TimedOut",
    "Timeouts",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "UnsupportedMediaType",
    "WorkerLost",
    "connect",
    "models",
]
