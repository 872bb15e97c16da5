"""Where user code runs: always in another process than the web node's.

The names below are all that the web node uses.
"""

from jupyter_deployr.computenode.definition import CodeError, Isolation, ServiceDefinition, compile_code
from jupyter_deployr.computenode.fail_points import fail_point
from jupyter_deployr.computenode.node import ComputeNode, ComputeSettings, LocalComputeNode
from jupyter_deployr.computenode.pool import LoadFailed, ServicePool
from jupyter_deployr.computenode.saving import Selection
from jupyter_deployr.computenode.sessions import Execution, Session
from jupyter_deployr.computenode.snapshot import NotKept, Snapshot, SnapshotError

__all__ = [
    "CodeError",
    "ComputeNode",
    "ComputeSettings",
    "Execution",
    "Isolation",
    "LoadFailed",
    "LocalComputeNode",
    "NotKept",
    "Selection",
    "ServiceDefinition",
    "ServicePool",
    "Session",
    "Snapshot",
    "SnapshotError",
    "compile_code",
    "fail_point",
]
