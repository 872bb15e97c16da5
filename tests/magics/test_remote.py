from __future__ import annotations

import io
import re
import signal
import textwrap
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.client import DeployRClient
from jupyter_deployr.magics.failures import CellFailed, RemoteCellFailed
from tests.client.middlemen import Forwarder


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


COUNTING = "import time\nfor n in range(6):\n    print('line', n, flush=True)\n    time.sleep(0.05)\n'the end'"
COUNTED = "".join(f"line {n}\n" for n in range(6)) + "'the end'\n"


@pytest.mark.parametrize(
    "cuts", [[b"line 2"], [b"line 0", b"line 3", b"the end"], [b"\r\n\r\n"]], ids=["once", "often", "after the head"]
)
def test_a_cell_outlives_the_connections_that_a_proxy_cuts(
    ip: InteractiveShell, server: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch, cuts: list[bytes]
) -> None:
    with Forwarder(urlsplit(server.url).port or 0) as network:
        monkeypatch.setenv("DEPLOYR_SERVER", f"http://127.0.0.1:{network.port}")
        ip.run_cell_magic("remote", "", "count = 0")
        network.cut_at = list(cuts)
        assert ip.run_cell(f"%%remote\ncount += 1\n{COUNTING}").success
        assert network.cut_at == []
        assert capsys.readouterr().out == COUNTED
        ip.run_line_magic("remote", "count")
        assert capsys.readouterr().out == "1\n"


def test_output_is_shown_as_it_comes(ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "before" in text:
                gate.touch()  # the code waits for that
            return super().write(text)

    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    waiting = f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)"
    ip.run_cell_magic("remote", "", f"import pathlib, time\nprint('before')\n{waiting}\nprint('after', end='')")
    assert screen.getvalue() == "before\nafter\n"


def test_streams_displays_and_results_come_in_order_and_in_their_place(
    ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            shown.append((self, text))
            return len(text)

    out, error = Screen(), Screen()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", error)
    monkeypatch.setattr(
        ip.display_pub, "publish", lambda data, metadata, **rest: shown.append((data, metadata, rest["update"]))
    )
    monkeypatch.setattr(ip.display_pub, "clear_output", lambda wait: shown.append(("cleared", wait)))
    code = """
    import sys
    from IPython.display import HTML, clear_output, display
    print('to out'); sys.stdout.flush()
    print('to error', file=sys.stderr, end=''); sys.stderr.flush()
    handle = display(HTML('<b>one</b>'), display_id='d', metadata={'text/html': {'a': 1}})
    handle.update(HTML('<b>two</b>'))
    clear_output(wait=True)
    'a result'
    """
    ip.run_cell_magic("remote", "", textwrap.dedent(code))
    plain_text = "<IPython.core.display.HTML object>"
    assert shown == [
        (out, "to out\n"),
        (error, "to error"),
        (error, "\n"),
        ({"text/plain": plain_text, "text/html": "<b>one</b>"}, {"text/html": {"a": 1}}, False),
        ({"text/plain": plain_text, "text/html": "<b>two</b>"}, {}, True),
        ("cleared", True),
        (out, "'a result'\n"),
    ]


def test_a_server_that_stays_away_says_how_to_get_back(
    ip: InteractiveShell, server: Any, client: DeployRClient, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_deployr.client.executions._SERVER_AWAY_SECONDS", 0.3)
    monkeypatch.setattr("jupyter_deployr.client.retries._PAUSES", (0.01, 0.01))

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "line 1" in text:
                network.__exit__(None, None, None)
            return super().write(text)

    with Forwarder(urlsplit(server.url).port or 0) as network:
        monkeypatch.setenv("DEPLOYR_SERVER", f"http://127.0.0.1:{network.port}")
        ip.run_cell_magic("remote", "", "1")
        with monkeypatch.context() as screens:
            screens.setattr("sys.stdout", Screen())
            with pytest.raises(CellFailed, match=r"^ExecutionOutOfReach: No server answers") as raised:
                ip.run_cell_magic("remote", "", COUNTING)
    found = re.search(r"client\.attach\('.*'\)\.reattach\('.*', \d+\)", str(raised.value))
    assert found
    assert eval(found[0]).result().console_output == COUNTED


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
