"""Where user code runs: always in another process than the web node's.

The names below are all that the web node uses.
"""

from jupyter_deployr.computenode.definition import CodeError, Isolation, ServiceDefinition, compile_code
from jupyter_deployr.computenode.executions import Execution, ExecutionLog
from jupyter_deployr.computenode.fail_points import fail_point
from jupyter_deployr.computenode.few_lines import FewLines
from jupyter_deployr.computenode.node import ComputeNode, ComputeSettings, LocalComputeNode
from jupyter_deployr.computenode.pool import LoadFailed, ServicePool
from jupyter_deployr.computenode.regular_files import NotRegular, open_regular
from jupyter_deployr.computenode.reports import Answer, FailureReport, ReportedAnswer
from jupyter_deployr.computenode.saving import Selection
from jupyter_deployr.computenode.session_files import Draft, check_file_name
from jupyter_deployr.computenode.sessions import Session
from jupyter_deployr.computenode.snapshot import NotKept, Snapshot, SnapshotError

__all__ = [
    "Answer",
    "CodeError",
    "ComputeNode",
    "ComputeSettings",
    "Draft",
    "Execution",
    "ExecutionLog",
    "FailureReport",
    "FewLines",
    "Isolation",
    "LoadFailed",
    "LocalComputeNode",
    "NotKept",
    "NotRegular",
    "ReportedAnswer",
    "Selection",
    "ServiceDefinition",
    "ServicePool",
    "Session",
    "Snapshot",
    "SnapshotError",
    "check_file_name",
    "compile_code",
    "fail_point",
    "open_regular",
]
