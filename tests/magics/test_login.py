"""%login, %config DeployRMagics, and where the connection comes from."""

from __future__ import annotations

import getpass
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.client import DeployRClient
from jupyter_deployr.magics.failures import CellFailed
from tests.client.middlemen import Authority, Forwarder, ForwardProxy


def test_with_a_configured_server_no_login_is_needed(ip: InteractiveShell) -> None:
    assert isinstance(ip.run_line_magic("services", ""), list)


def test_the_password_is_asked_for(
    ip: InteractiveShell, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    prompts: list[str] = []
    monkeypatch.delenv("DEPLOYR_PASSWORD")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: prompts.append(prompt) or server.password)
    with pytest.raises(CellFailed, match=r"^Unauthorized: No password is known for admin .* Run %login"):
        ip.run_line_magic("services", "")
    assert prompts == []
    ip.run_line_magic("login", "")
    assert prompts == [f"Password of admin at {server.url}: "]
    assert capsys.readouterr().out == f"Signed in to {server.url}.\n"
    ip.run_line_magic("services", "")
    assert len(prompts) == 1


def test_another_server_and_user_stay_in_the_settings(
    ip: InteractiveShell, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    prompts: list[str] = []
    monkeypatch.setenv("DEPLOYR_SERVER", "http://127.0.0.1:1")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: prompts.append(prompt) or server.password)
    ip.run_line_magic("login", f"{server.url}/ -u admin")
    assert prompts == [f"Password of admin at {server.url}: "]
    ip.run_line_magic("services", "")
    capsys.readouterr()
    ip.run_line_magic("config", "DeployRMagics")
    shown = capsys.readouterr().out
    assert server.url in shown
    assert server.password not in shown
    ip.run_line_magic("config", "DeployRMagics.server = 'http://127.0.0.1:1'")
    with pytest.raises(CellFailed, match=r"^(Unauthorized|ServerUnreachable): .*127\.0\.0\.1:1"):
        ip.run_line_magic("services", "")


def test_a_wrong_password_is_one_line(ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("DEPLOYR_PASSWORD", "wrong-and-secret")
    assert not ip.run_cell("%login").success
    shown = capsys.readouterr().out
    assert shown.startswith("Unauthorized: ")
    assert shown.count("\n") == 1
    assert "wrong-and-secret" not in shown
    assert not ip.run_cell("%services").success


def test_where_nobody_can_be_asked_it_says_so(ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prompt: str) -> str:
        raise StdinNotImplementedError

    monkeypatch.delenv("DEPLOYR_PASSWORD")
    monkeypatch.setattr(getpass, "getpass", refuse)
    with pytest.raises(CellFailed, match="nobody can be asked for the password here; set DEPLOYR_PASSWORD"):
        ip.run_line_magic("login", "")


@pytest.mark.parametrize("arguments", ["-p secret", "--password secret", "http://admin:secret@host", "ftp://secret"])
def test_a_password_is_no_argument(ip: InteractiveShell, arguments: str) -> None:
    with pytest.raises(CellFailed, match=r"^(UsageError|ServerUnreachable)"):
        ip.run_line_magic("login", arguments)


def test_a_server_that_is_away_is_one_line_and_found_again(
    ip: InteractiveShell, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DEPLOYR_SERVER", f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert not ip.run_cell("%%remote\n1").success
    shown = capsys.readouterr().out
    assert shown.startswith("ServerUnreachable: No server answers at http://127.0.0.1:")
    assert shown.count("\n") == 1
    monkeypatch.setenv("DEPLOYR_SERVER", server.url)
    assert ip.run_cell("%%remote\n1").success


def test_the_next_magic_signs_in_again_when_the_tokens_were_ended(
    ip: InteractiveShell, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    login = DeployRClient.login
    monkeypatch.setattr(
        DeployRClient, "login", lambda self, request: kept.append((self, login(self, request))) or kept[-1][1]
    )
    ip.run_line_magic("services", "")
    _, pair = kept[0]
    with DeployRClient(server.url) as other:
        other.revoke_refresh_token(pair.refresh_token)
    with pytest.raises(CellFailed, match=r"^Unauthorized: The sign-in has expired"):
        ip.run_line_magic("services", "")
    ip.run_line_magic("services", "")
    assert len(kept) == 2


def test_loading_twice_keeps_the_connection(ip: InteractiveShell, capsys: Any) -> None:
    ip.run_cell_magic("remote", "", "a = 1")
    ip.run_line_magic("reload_ext", "jupyter_deployr")
    ip.run_line_magic("remote", "a")
    assert capsys.readouterr().out == "1\n"


def test_certificates_and_proxies_are_settings(
    ip: InteractiveShell, server: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    mine = authority.certificate("mine")
    files = {"ca": authority.file, "client_certificate": mine.certificate, "client_key": mine.key}
    with Forwarder(urlsplit(server.url).port or 0, authority.context(asks=True)) as front, ForwardProxy() as proxy:
        monkeypatch.setenv("DEPLOYR_SERVER", f"https://localhost:{front.port}")
        for setting, path in files.items():
            with pytest.raises(CellFailed, match=r"^ServerUnreachable: "):
                ip.run_line_magic("services", "")
            ip.run_line_magic("config", f"DeployRMagics.{setting} = {str(path)!r}")
        assert isinstance(ip.run_line_magic("services", ""), list)
        assert proxy.asked == []
        ip.run_line_magic("config", f"DeployRMagics.proxies = {{'https': {proxy.url!r}}}")
        assert isinstance(ip.run_line_magic("services", ""), list)
        assert {asked[0] for asked in proxy.asked} == {"CONNECT"}
