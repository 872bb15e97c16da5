from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_deployr.client import DeployRClient, models
from tests.client.rendezvous import Rendezvous, arranged


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> str:
    """The notebook's name; it is the name of its session as well."""
    name = f"notebook-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("JPY_SESSION_NAME", f"some/where/{name}.ipynb")
    return name


@pytest.fixture
def client(server: Any) -> Iterator[DeployRClient]:
    """Someone else's view of the server."""
    with DeployRClient(server.url) as client:
        client.login(models.LoginRequest("admin", server.password))
        yield client


@pytest.fixture
def ip(
    server: Any, client: DeployRClient, notebook: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[InteractiveShell]:
    """An IPython with the magics, for which the server of the test run is configured."""
    monkeypatch.setenv("DEPLOYR_SERVER", server.url)
    monkeypatch.setenv("DEPLOYR_PASSWORD", server.password)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("DEPLOYR_USERNAME", raising=False)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.run_line_magic("load_ext", "jupyter_deployr")
    yield shell
    for session in client.list_sessions():
        if session.name == notebook and session.id:
            client.close_session_by_force(session.id)


@pytest.fixture
def service(client: DeployRClient) -> Iterator[str]:
    """A service name of this test's own, taken away with all its versions."""
    name = f"Svc-{uuid.uuid4().hex[:8]}"
    yield name
    for version in client.get_all_web_service_versions_by_name(name):
        client.delete_web_service_version(name, version.version)


@pytest.fixture
def rendezvous() -> Iterator[Rendezvous]:
    with arranged() as rendezvous:
        yield rendezvous
