"""Methods and paths that no route has."""

from __future__ import annotations

import pytest

from tests.api import Api


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/services", "GET"),
        ("PUT", "/services/Any/V1.0", "GET, POST, PATCH, DELETE"),
        ("GET", "/login", "POST"),
        ("DELETE", "/sessions/any/files", "GET, POST"),
        ("POST", "/docs", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_have(api: Api, method: str, path: str, allowed: str) -> None:
    assert api.error(method, path, 405)["exceptionType"] == "MethodNotAllowed"
    assert api.send(method, path).headers["allow"] == allowed


def test_services_are_called_with_post(api: Api) -> None:
    path = api.publish("Posted", "x = 1")
    api.error("GET", path, 405)
    assert api.send("GET", path).headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/services/", "/sessions/", "/login/", "/docs/", "/services/Any/V1.0/"])
def test_a_slash_too_many_leads_nowhere(api: Api, path: str) -> None:
    """A redirection would lead to the address that the server thinks it has, which a proxy's clients don't know."""
    assert api.send("GET", path, allow_redirects=False).status_code == 404
