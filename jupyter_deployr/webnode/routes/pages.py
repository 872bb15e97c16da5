"""Pages for people: the core API to read and to try, and one page per version. All assets are served from here.

A page holds nothing about what is on the server: it asks for it with the token of whoever signs in on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from jupyter_deployr.protocol.errors import NotFound

router = APIRouter(include_in_schema=False)

_OURS = Path(__file__).parent.parent / "pages"
_OUR_ASSETS = ("docs.js", "exact_json.js", "redoc.css", "redoc.js", "service.css", "service.js")
_REDOC = "redoc.standalone.js"
# Redoc would ask somebody else's server for its logo.
_REDOC_LOGO, _NO_PICTURE = (
    b"https://cdn.redoc.ly/redoc/logo-mini.svg",
    b"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>",
)
_VENDORED = Path(fastapi_offline.__file__).parent / "static"
_ASSETS: Mapping[str, Path] = {
    **{name: _OURS / name for name in _OUR_ASSETS},
    **{name: _VENDORED / name for name in (_REDOC, "swagger-ui-bundle.js", "swagger-ui.css")},
}
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Redoc makes an empty style sheet, which it fills rule by rule, and one of fixed content; these are their hashes.
_REDOC_STYLES = (
    " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _page(name: str, styles: str = "") -> Response:
    policy = _POLICY.format(styles=styles)
    return FileResponse(
        _OURS / name,
        media_type="text/html",
        headers={**_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-cache"},
    )


@router.get("/docs")
async def docs() -> Response:
    """The core API, to try."""
    return _page("docs.html")


@router.get("/redoc")
async def redoc() -> Response:
    """The core API, to read."""
    return _page("redoc.html", _REDOC_STYLES)


@router.get("/api/{name}/{version}/docs")
async def service_docs(name: str, version: str) -> Response:
    """The page of one version; the same for all names, whether there is such a version or not."""
    return _page("service.html")


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """A script or style sheet of the pages."""
    path = _ASSETS.get(name)
    if path is None:
        raise NotFound("There is no such asset.")
    headers = {**_HEADERS, "Cache-Control": "no-cache"}
    if name == _REDOC:
        return Response(await asyncio.to_thread(_redoc), media_type=_MEDIA_TYPES[path.suffix], headers=headers)
    return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix], headers=headers)


@cache
def _redoc() -> bytes:
    return _ASSETS[_REDOC].read_bytes().replace(_REDOC_LOGO, _NO_PICTURE)
