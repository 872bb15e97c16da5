"""The magics in a real notebook kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from jupyter_deployr.client import DeployRClient
from tests import server_process


class Kernel:
    """A notebook's kernel, as its front end sees it."""

    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager = manager
        self._client = client

    def submit(self, code: str) -> str:
        return str(self._client.execute(code))

    def outputs(self, message: str) -> list[dict[str, Any]]:
        """What the cell of this message shows, and at last its reply's status."""
        shown = []
        while True:
            arrived = self._client.get_iopub_msg(timeout=60)
            if arrived["parent_header"].get("msg_id") != message:
                continue
            if arrived["msg_type"] in ("stream", "error", "execute_result"):
                shown.append(arrived["content"])
            if arrived["msg_type"] == "status" and arrived["content"]["execution_state"] == "idle":
                break
        reply = self._client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != message:  # answers to the questions whether it is ready
            reply = self._client.get_shell_msg(timeout=60)
        return [*shown, {"status": reply["content"]["status"]}]

    def run(self, code: str) -> list[dict[str, Any]]:
        return self.outputs(self.submit(code))


@pytest.fixture
def kernel(server: Any, notebook: str, tmp_path: Path) -> Iterator[Kernel]:
    variables = server_process.environment(
        tmp_path,
        DEPLOYR_SERVER=server.url,
        DEPLOYR_PASSWORD=server.password,
        JPY_SESSION_NAME=f"{notebook}.ipynb",
    )
    manager, client = start_new_kernel(kernel_name="python3", env=variables, cwd=str(tmp_path))
    kernel = Kernel(manager, client)
    assert kernel.run("%load_ext jupyter_deployr") == [{"status": "ok"}]
    yield kernel
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_the_stop_button_interrupts_the_remote_cell(kernel: Kernel, rendezvous: Any) -> None:
    message = kernel.submit(f"%%remote\nkept = 7\nprint('so far')\n{rendezvous.code}\nwhile True: pass")
    rendezvous.wait()
    kernel.manager.interrupt_kernel()
    stream, error, status = kernel.outputs(message)
    assert stream["text"] == "so far\n"
    line = "Interrupted: the remote cell was stopped; its session lives on."
    assert error == {"ename": "RemoteCellFailed", "evalue": line, "traceback": [line]}
    assert status == {"status": "error"}
    assert kernel.run("%remote kept")[0]["text"] == "7\n"


def test_errors_of_ours_are_one_line_and_fail_the_cell(kernel: Kernel) -> None:
    error, status = kernel.run("%unpublish Nowhere 1")
    assert error["ename"] == "CellFailed"
    assert error["traceback"] == [error["evalue"]]
    assert error["evalue"].startswith("NotFound: ")
    assert status == {"status": "error"}


def test_the_session_ends_with_the_kernel(kernel: Kernel, client: DeployRClient, notebook: str) -> None:
    kernel.run("%remote 1")
    assert notebook in [session.name for session in client.list_sessions()]
    kernel.manager.shutdown_kernel()
    assert notebook not in [session.name for session in client.list_sessions()]


def test_without_a_terminal_nobody_is_asked_for_a_password(kernel: Kernel) -> None:
    kernel.run("import os; del os.environ['DEPLOYR_PASSWORD']")
    message = kernel._client.execute("%login", allow_stdin=False)
    error, _ = kernel.outputs(message)
    assert error["evalue"].startswith("UsageError: nobody can be asked for the password here; set DEPLOYR_PASSWORD.")
