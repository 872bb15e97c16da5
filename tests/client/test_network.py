"""TLS with an authority of one's own, client certificates and proxies, all of them real."""

from __future__ import annotations

import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_deployr.client import DeployRClient, Network, ServerUnreachable, Unauthorized, connect, models
from tests.client.conftest import StubServer
from tests.client.middlemen import Authority, Forwarder, ForwardProxy
from tests.server_process import ServerProcess

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.fixture
def tls(server: ServerProcess, authority: Authority) -> Iterator[str]:
    """The address of the server behind TLS."""
    with Forwarder(port_of(server.url), authority.context()) as front:
        yield f"https://localhost:{front.port}"


@pytest.fixture
def asking(server: ServerProcess, authority: Authority) -> Iterator[str]:
    """The same, where clients must show a certificate."""
    with Forwarder(port_of(server.url), authority.context(asks=True)) as front:
        yield f"https://localhost:{front.port}"


@pytest.fixture(autouse=True)
def _password(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYR_PASSWORD", server.password)


def signed_in(url: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> DeployRClient:
    monkeypatch.setenv("DEPLOYR_SERVER", url)
    return connect(**options)


# --------------------------------------------------------------------------------------------------------------- TLS


def test_an_authority_of_ones_own_is_trusted(tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with signed_in(tls, monkeypatch, ca=authority.file) as client:
        assert client.base_url == tls
        assert client.list_sessions() is not None
        copied = pickle.loads(pickle.dumps(client))
        with pytest.raises(Unauthorized):
            copied.status()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_names_it_too(
    tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    with signed_in(tls, monkeypatch) as client:
        assert client.status().status_code


def test_what_is_given_counts_more_than_the_environment(
    tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with pytest.raises(ServerUnreachable, match="No secure connection"):
        signed_in(tls, monkeypatch, ca=Authority(tmp_path).file)


def test_an_unknown_authority_is_refused(tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerUnreachable, match=r"No secure connection to .*give its file as `ca`"):
        signed_in(tls, monkeypatch)


def test_another_hosts_certificate_is_refused(tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerUnreachable, match="No secure connection"):
        signed_in(tls.replace("localhost", "127.0.0.1"), monkeypatch, ca=authority.file)


def test_http_on_a_tls_port_is_told(tls: str) -> None:
    with pytest.raises(ServerUnreachable):
        DeployRClient(tls.replace("https", "http")).status()


@pytest.mark.parametrize("form", ["both in one file", "two files", "a list of two"])
def test_a_client_certificate_is_shown(
    asking: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    mine = authority.certificate("client")
    forms: dict[str, Any] = {
        "both in one file": mine.both,
        "two files": (mine.certificate, str(mine.key)),
        "a list of two": [mine.certificate, mine.key],
    }
    shown = forms[form]
    with signed_in(asking, monkeypatch, ca=authority.file, client_certificate=shown) as client:
        assert client.status().status_code


@pytest.mark.parametrize("shown", [False, True], ids=["none", "a stranger's"])
def test_the_wrong_client_certificate_is_told(
    server: ServerProcess, authority: Authority, tmp_path: Path, shown: bool
) -> None:
    context = authority.context(asks=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3, the refusal may be lost on its way
    stranger = Authority(tmp_path).certificate("stranger")
    with Forwarder(port_of(server.url), context) as front:
        network = Network(authority.file, stranger.both if shown else None)
        client = DeployRClient(f"https://localhost:{front.port}", network=network)
        with pytest.raises(ServerUnreachable, match="No secure connection"):
            client.status()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network(ca="/nowhere.pem"), "The file of certificate authorities is not there: /nowhere.pem"),
        (Network(client_certificate="/nowhere.pem"), "The client certificate is not there"),
        (Network(client_certificate=("/etc/hostname", "/nowhere.pem")), "The client certificate's key is not there"),
        (Network(client_certificate=["/etc/hostname", "/nowhere.pem"]), "The client certificate's key is not there"),
        (Network(client_certificate=["/nowhere.pem"]), "The client certificate is one file, or two"),
        (Network(client_certificate=5), "The client certificate is one file, or two"),  # type: ignore[arg-type]
    ],
)
def test_files_that_are_not_there_are_named(network: Network, said: str) -> None:
    with pytest.raises(ServerUnreachable, match=said):
        DeployRClient("https://deployr.example", network=network)


def test_so_is_the_one_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(ServerUnreachable, match=r"in REQUESTS_CA_BUNDLE is not there: /nowhere\.pem"):
        DeployRClient("https://deployr.example")


def test_files_of_something_else_are_told(tls: str, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(ServerUnreachable, match="No secure connection"):
        DeployRClient(tls, network=Network(ca=tmp_path / "no.pem")).status()


# ------------------------------------------------------------------------------------------------------------ proxies


@pytest.mark.parametrize("given", ["one for all", "by scheme", "HTTP_PROXY"])
def test_plain_requests_go_through_a_proxy(server: ServerProcess, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    url = f"http://deployr.example:{port_of(server.url)}"
    with ForwardProxy() as proxy:
        options: dict[str, Any] = {}
        if given == "HTTP_PROXY":
            monkeypatch.setenv("http_proxy", proxy.url)
        else:
            options["proxies"] = proxy.url if given == "one for all" else {"http": proxy.url}
        with signed_in(url, monkeypatch, **options) as client:
            assert client.status().status_code
    assert [asked[:2] for asked in proxy.asked] == [("POST", f"{url}/login"), ("GET", f"{url}/status")]
    assert [token[:7] for token in proxy.tokens] == ["", "Bearer "]


@pytest.mark.parametrize("given", ["one for all", "HTTPS_PROXY"])
def test_tls_goes_through_a_tunnel(tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    url = tls.replace("localhost", "deployr.example")
    with ForwardProxy() as proxy:
        address = proxy.url.replace("http://", "http://ann:secret@")
        monkeypatch.setenv("https_proxy", address if given == "HTTPS_PROXY" else "http://127.0.0.1:1")
        options = {} if given == "HTTPS_PROXY" else {"proxies": address}
        with signed_in(url, monkeypatch, ca=authority.file, **options) as client:
            assert client.status().status_code
            assert "secret" not in repr(client)
        assert {asked[:2] for asked in proxy.asked} == {("CONNECT", url.removeprefix("https://"))}
        assert {asked[2] for asked in proxy.asked} == {"Basic YW5uOnNlY3JldA=="}
        assert proxy.tokens == []  # what goes through the tunnel is none of its business


def test_this_machine_is_reached_without_the_proxy_of_the_environment(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with signed_in(server.url, monkeypatch) as client:
        assert client.status().status_code
    with ForwardProxy() as proxy, signed_in(server.url, monkeypatch, proxies=proxy.url) as client:
        assert client.status().status_code
    assert len(proxy.asked) == 2


@pytest.mark.parametrize("proxies", [{"https": "http://127.0.0.1:1"}, {}, {"http": ""}, {"http": None}])
def test_nor_does_it_come_in_where_the_mapping_is_silent(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str]
) -> None:
    stub.always(200, {"statusCode": "pass"})
    with ForwardProxy() as proxy:
        for variable in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        for url in (stub.url, stub.url.replace("127.0.0.1", "localhost")):
            with connect(url, token="secret", proxies=proxies) as client:
                client.status()
    assert proxy.asked == []
    assert len(stub.requests) == 2


@pytest.mark.parametrize("scheme", ["http", "all"])
def test_for_this_machine_a_mapping_that_names_it_counts(server: ServerProcess, scheme: str) -> None:
    with ForwardProxy() as proxy:
        DeployRClient(server.url, network=Network(proxies={scheme: proxy.url})).login(
            models.LoginRequest("admin", server.password)
        )
    assert [asked[:2] for asked in proxy.asked] == [("POST", f"{server.url}/login")]


def test_no_proxy_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "deployr.invalid")
    with ForwardProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ServerUnreachable, match="No server answers"):
            DeployRClient("http://deployr.invalid:1").status()
    assert proxy.asked == []


def test_an_empty_proxy_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with ForwardProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ServerUnreachable, match="No server answers"):
            DeployRClient("http://deployr.invalid:1", network=Network(proxies="")).status()
    assert proxy.asked == []


def test_a_proxy_that_refuses_is_told_without_its_password() -> None:
    with ForwardProxy(refuses=True) as proxy:
        address = proxy.url.replace("http://", "http://ann:secret@")
        with pytest.raises(ServerUnreachable, match=r"The proxy on the way to .* 407") as raised:
            DeployRClient("https://deployr.example", network=Network(proxies=address)).status()
    assert "secret" not in str(raised.value)


# ------------------------------------------------------------------------------------------------------------- tokens


def test_a_token_of_somebody_elses_making_is_used(server: ServerProcess, client: DeployRClient) -> None:
    pair = client.login(models.LoginRequest("admin", server.password))
    assert pair.access_token
    with connect(server.url, token=pair.access_token) as other:
        assert other.signed_in
        assert other.list_sessions() is not None
        assert pair.access_token not in repr(other) + str(pickle.dumps(other))


def test_a_token_that_is_refused_says_so(stub: StubServer) -> None:
    stub.always(401, {"message": "The token has expired.", "code": 401, "exceptionType": "Unauthorized"})
    with connect(stub.url, token="old") as client, pytest.raises(Unauthorized, match=r"^The server refuses the token"):
        client.list_sessions()
    assert [request.headers["Authorization"] for request in stub.requests] == ["Bearer old"]
