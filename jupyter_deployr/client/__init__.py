"""The client for any Python program.

    import jupyter_deployr.client as deployrclient

    client = deployrclient.DeployRClient("http://localhost:12800")
    client.login(deployrclient.models.LoginRequest("admin", password))
    client.consume("Iris", "V1.0", {"flower_data": [7, 3.2, 4.7, 1.4]}).output_parameters

`connect()` finds server and password by itself, and starts the embedded server where none is configured.
"""

from jupyter_deployr.client.api import DeployRClient
from jupyter_deployr.client.connection import connect
from jupyter_deployr.client.transport import Timeouts
from jupyter_deployr.protocol import models
from jupyter_deployr.protocol.errors import (
    BadRequest,
    Conflict,
    DeployRError,
    EmbeddedServerFailed,
    ExecutionFailed,
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
    "Conflict",
    "DeployRClient",
    "DeployRError",
    "EmbeddedServerFailed",
    "ExecutionFailed",
    "Forbidden",
    "Gone",
    "InvalidInputs",
    "MethodNotAllowed",
    "NotFound",
    "NotImplementedHere",
    "PayloadTooLarge",
    "ServerFault",
    "ServerUnreachable",
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
