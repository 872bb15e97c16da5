from __future__ import annotations

import re
import signal
import threading
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.client import DeployRClient
from jupyter_deployr.magics.failures import CellFailed, RemoteCellFailed


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_cell_shows_what_it_prints_and_its_last_expression(ip: InteractiveShell, capsys: Any) -> None:
    ip.run_cell_magic("remote", "", "print('hello')\nanswer = 42\nanswer")
    assert capsys.readouterr().out == "hello\n42\n"


def test_variables_live_there_and_not_here(ip: InteractiveShell, capsys: Any) -> None:
    ip.run_cell_magic("remote", "", "a = 1")
    ip.run_line_magic("remote", "{'a + 1': a + 1}")
    assert capsys.readouterr().out == "{'a + 1': 2}\n"
    assert "a" not in ip.user_ns


def test_the_session_is_named_after_the_notebook_and_there_is_one(
    ip: InteractiveShell, client: DeployRClient, notebook: str
) -> None:
    ip.run_cell_magic("remote", "", "1")
    ip.run_cell_magic("remote", "", "2")
    assert [session.name for session in client.list_sessions()].count(notebook) == 1


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("some/where/{name}.ipynb", "some/where/{name}.ipynb"),
        ("x" * 2000 + "/{name}.ipynb", "x" * 1000 + "/{name}.ipynb"),
        ("", None),
    ],
)
def test_the_session_says_which_notebook_uses_it(
    ip: InteractiveShell,
    client: DeployRClient,
    notebook: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    label: str | None,
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", path.format(name=notebook))
    before = {session.id for session in client.list_sessions()}
    ip.run_cell_magic("remote", "", "1")
    (mine,) = [session for session in client.list_sessions() if session.id not in before]
    assert mine.id
    assert mine.name == (notebook if path else "IPython")
    told = client.get_session(mine.id).client
    assert told == (label and label.format(name=notebook)[-1000:])
    client.close_session_by_force(mine.id)


def test_an_error_fails_the_cell_with_the_remote_traceback(ip: InteractiveShell, capsys: Any) -> None:
    result = ip.run_cell("%%remote\nprint('before')\nkept = 5\n1 / 0")
    assert isinstance(result.error_in_exec, RemoteCellFailed)
    assert str(result.error_in_exec) == "ZeroDivisionError: division by zero"
    shown = plain(capsys.readouterr().out)
    assert shown.startswith("before\n")
    assert "----> 3 1 / 0" in shown
    assert shown.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "jupyter_deployr" not in shown
    ip.run_line_magic("remote", "kept")
    assert capsys.readouterr().out == "5\n"


def test_code_that_does_not_compile_fails_the_cell(ip: InteractiveShell, capsys: Any) -> None:
    result = ip.run_cell("%%remote\na = = 1")
    assert isinstance(result.error_in_exec, RemoteCellFailed)
    assert str(result.error_in_exec).startswith("SyntaxError")
    assert "a = = 1" in plain(capsys.readouterr().out)


@pytest.mark.parametrize("braces", ["{x}", "$x", "f'{x}'"])
def test_code_is_sent_as_it_stands(ip: InteractiveShell, capsys: Any, braces: str) -> None:
    ip.user_ns["x"] = "local"
    ip.run_cell_magic("remote", "", "x = 'remote'")
    ip.run_line_magic("remote", f'r"{braces}", x')
    assert capsys.readouterr().out == f"({braces!r}, 'remote')\n"


def test_the_stop_button_interrupts_the_remote_cell(ip: InteractiveShell, capsys: Any, rendezvous: Any) -> None:
    def press_stop() -> None:
        rendezvous.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    finger = threading.Thread(target=press_stop)
    finger.start()
    result = ip.run_cell(f"%%remote\nkept = 7\nprint('so far')\n{rendezvous.code}\nwhile True: pass")
    finger.join()
    assert str(result.error_in_exec) == "Interrupted: the remote cell was stopped; its session lives on."
    assert capsys.readouterr().out == f"so far\n{result.error_in_exec}\n"
    ip.run_line_magic("remote", "kept")
    assert capsys.readouterr().out == "7\n"


def test_a_lost_session_is_told_once_and_replaced(
    ip: InteractiveShell, client: DeployRClient, notebook: str, capsys: Any
) -> None:
    ip.run_cell_magic("remote", "", "a = 1")
    (mine,) = [session.id for session in client.list_sessions() if session.name == notebook]
    client.close_session_by_force(str(mine))
    with pytest.raises(
        CellFailed, match=rf"^Gone: The remote session '{notebook}' has ended, and with it the variables"
    ):
        ip.run_cell_magic("remote", "", "a")
    with pytest.raises(RemoteCellFailed, match="NameError"):
        ip.run_cell_magic("remote", "", "a")


def test_misuse_is_one_line(ip: InteractiveShell, capsys: Any) -> None:
    for cell in ("%remote", "%%remote -s other\n1"):
        assert not ip.run_cell(cell).success
        shown = capsys.readouterr().out
        assert shown.startswith("UsageError: ")
        assert shown.endswith("`%remote?` shows how it is used.\n")
        assert shown.count("\n") == 1


def test_help_has_an_example(ip: InteractiveShell, capsys: Any) -> None:
    for name in ("login", "remote", "snapshot", "publish", "consume", "services", "unpublish"):
        ip.run_cell(f"%{name}?")
        shown = capsys.readouterr().out
        assert "Example::" in shown
        assert f"%{name}" in shown.split("Example::")[1]
