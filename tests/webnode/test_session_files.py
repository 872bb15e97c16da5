"""Files of a session's working directory over HTTP: in and out as they are, and never another file."""

from __future__ import annotations

import io
import os
import re
import socket
import stat
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from urllib3.filepost import encode_multipart_formdata

from tests import server_process
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

MB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this module's own, in whose data directory nobody else makes anything."""
    running = server_process.start(tmp_path_factory.mktemp("files"), "--ServeApp.warm_sessions=0")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Api:
    """That server, spoken to as its administrator."""
    return Api(server)


@pytest.fixture(scope="module")
def session(api: Api) -> Iterator[str]:
    identity = api.session()
    yield identity
    api.send("DELETE", f"/sessions/{identity}/force")


@pytest.fixture(scope="module")
def directory(api: Api, session: str) -> Path:
    (found,) = api.execute(session, "import os; here = os.getcwd()", outputs=["here"])["outputParameters"]
    return Path(found["value"])


def upload(api: Api, session: str, name: str, content: bytes) -> requests.Response:
    # Written by hand: libraries encode some of these names.
    boundary = "b0undary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode("utf-8", "surrogateescape") + content + f"\r\n--{boundary}--\r\n".encode()
    return api.send(
        "POST",
        f"/sessions/{session}/files",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def raw(api: Api, method: str, path: str) -> tuple[int, bytes]:
    """Status and body for a path that goes out byte by byte as it is."""
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port or 80), timeout=60) as connection:
        token = api.tokens["access_token"]
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(head.encode("utf-8", "surrogateescape"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


CONTENTS = {
    "empty": b"",
    "text": "Straße\r\n".encode(),
    "like a delimiter": b"\r\n--b0undar\r\r\n--b0undarY\r\n--",
    "every byte": bytes(range(256)) * 300,
    "larger than a piece": os.urandom(3 * MB + 17),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_comes_back_as_it_went(api: Api, session: str, content: bytes) -> None:
    answer = upload(api, session, "data.bin", content)
    assert (answer.status_code, answer.content) == (201, b"")
    assert "data.bin" in api.ok("GET", f"/sessions/{session}/files")
    path = f"/sessions/{session}/files/data.bin"
    answer = api.send("GET", path)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (seen,) = api.execute(session, "n = len(open('data.bin', 'rb').read())", outputs=["n"])["outputParameters"]
    assert seen["value"] == len(content)
    deleted = api.send("DELETE", path)
    assert (deleted.status_code, deleted.content) == (200, b"")
    api.error("GET", path, 404)
    api.error("DELETE", path, 404)
    assert api.ok("GET", f"/sessions/{session}/files") == []


def test_an_upload_replaces_the_file(api: Api, session: str) -> None:
    for content in (b"a longer first", b"second"):
        assert upload(api, session, "twice.txt", content).status_code == 201
    assert api.send("GET", f"/sessions/{session}/files/twice.txt").content == b"second"
    api.ok("DELETE", f"/sessions/{session}/files/twice.txt")


NAMES = ["a b.txt", "größe-é.csv", "semi;colon.txt", "100%.txt", "it's.txt", "<img>.svg", "-rf", ".hidden", "a" * 255]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_names_are_data(api: Api, session: str, name: str) -> None:
    body, kind = encode_multipart_formdata({"file": (name, b"x")})
    answer = api.send("POST", f"/sessions/{session}/files", data=body, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    assert api.ok("GET", f"/sessions/{session}/files") == [name]
    path = f"/sessions/{session}/files/{requests.utils.quote(name, safe='')}"
    answer = api.send("GET", path)
    assert answer.content == b"x"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert re.fullmatch(r"[\x20-\x7e]+", disposition)
    assert disposition.count('"') == 2
    api.ok("DELETE", path)


def inodes(directory: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_ino) for path in directory.rglob("*")}


# As it stands in the form → as it stands in a path, and what that answers: 404 where code may give its files such a
# name, though no upload may have it. None where no path can have it.
BAD_NAMES: dict[str, tuple[str, int] | None] = {
    "../x": ("../x", 400),
    "..\\\\x": ("..%5Cx", 404),
    "/etc/passwd": ("/etc/passwd", 400),
    "C:\\\\x": ("C:%5Cx", 404),
    "C:x": ("C:x", 404),
    "%2e%2e%2fx": ("%2e%2e%2fx", 400),
    "%2e%2e": ("%2e%2e", 400),
    "%252e%252e%252fx": ("%252e%252e%252fx", 404),
    "....//x": ("....//x", 400),
    "a/../../x": ("a/../../x", 400),
    "a\x00b": ("a%00b", 400),
    "a\x01b": ("a%01b", 404),
    ".": ("%2e", 400),
    "..": ("..", 400),
    "": None,
    "x" * 300: ("x" * 300, 400),
    "é" * 150: ("%C3%A9" * 150, 400),
    "dot.": ("dot.", 404),
    "space ": ("space%20", 404),
    "CON": ("CON", 404),
    "nul.txt": ("nul.txt", 404),
    "half \udce9": None,
}


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
def test_names_that_lead_elsewhere(api: Api, session: str, directory: Path, name: str) -> None:
    around = inodes(directory.parent.parent.parent)
    answer = upload(api, session, name, b"x")
    assert answer.status_code == 400, answer.text
    assert answer.json()["exceptionType"] == "BadRequest"
    in_path = BAD_NAMES[name]
    if in_path is not None:
        for method in ("GET", "DELETE"):
            status, body = raw(api, method, f"/sessions/{session}/files/{in_path[0]}")
            assert status == in_path[1], body
            assert str(directory.parent).encode() not in body
    assert inodes(directory.parent.parent.parent) == around


NAMES_OF_CODE = [
    "a\\b",
    "..\\x",
    "C:\\x",
    "two\nlines",
    "a\n",
    "\n",
    "a\x01b",
    "\r\n: x",
    "%2e%2e",
    "%2e%2e%2fx",
    "dot.",
    "space ",
    "CON",
    "...",
    "\\xe9",
    '"',
    "?a=b",
    "#",
    "folder\n\\/a\nb",
    "é" * 127,
]


@pytest.mark.parametrize("name", NAMES_OF_CODE, ids=lambda name: repr(name[:20]))
def test_names_that_code_gives_its_files(api: Api, session: str, directory: Path, name: str) -> None:
    code = "import os\nif '/' in name: os.makedirs(os.path.dirname(name), exist_ok=True)\nopen(name, 'w').write('x')"
    answer = api.execute(session, code, {"name": name})
    assert answer["changedFiles"] == api.ok("GET", f"/sessions/{session}/files") == [name]
    path = "/".join(requests.utils.quote(part, safe="") for part in name.split("/"))
    status, body = raw(api, "GET", f"/sessions/{session}/files/{path}")
    assert (status, body) == (200, b"x")
    around = inodes(directory.parent.parent.parent)
    inode = (str(directory / name), (directory / name).lstat().st_ino)
    status, body = raw(api, "DELETE", f"/sessions/{session}/files/{path}")
    assert (status, body) == (200, b"")
    assert inodes(directory.parent.parent.parent) == around - {inode}


def test_folders_are_part_of_the_names(api: Api, session: str) -> None:
    code = "import os\nos.makedirs('plots/old')\nfor p in ('plots/a b.png', 'plots/old/c', 'z'): open(p, 'w').write(p)"
    assert api.execute(session, code)["success"]
    assert api.ok("GET", f"/sessions/{session}/files") == ["plots/a b.png", "plots/old/c", "z"]
    path = f"/sessions/{session}/files/plots"
    answer = api.send("GET", f"{path}/a%20b.png")
    assert answer.text == "plots/a b.png"
    assert 'filename="a b.png"' in answer.headers["content-disposition"]
    api.error("GET", path, 404)
    api.error("DELETE", path, 404)
    api.error("POST", f"/sessions/{session}/files", 409, files={"file": ("plots", b"x")})
    for name in ("plots/a%20b.png", "plots/old/c", "z"):
        api.ok("DELETE", f"/sessions/{session}/files/{name}")
    assert api.ok("GET", f"/sessions/{session}/files") == []


SPECIAL = {
    "a link": "os.symlink(target, 'it')",
    "a link to nothing": "os.symlink('nothing', 'it')",
    "a hard link": "os.link(target, 'it')",
    "a pipe": "os.mkfifo('it')",
    "a socket": "import socket; s = socket.socket(socket.AF_UNIX); s.bind('it')",
    "a link to a device": "os.symlink('/dev/zero', 'it')",
    "a folder": "os.mkdir('it')",
    "a link to a folder": "os.symlink(os.path.dirname(target), 'it')",
    "a folder's file through a link": "os.symlink(os.path.dirname(target), 'it'); name = 'it/secret'",
}


def _can_make_devices() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        try:
            os.mknod(f"{directory}/zero", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            return False
    return True


# What can't be had here isn't in the table.
if _can_make_devices():
    SPECIAL["a device"] = "import stat; os.mknod('it', 0o600 | stat.S_IFCHR, os.makedev(1, 5))"


@pytest.mark.parametrize("code", SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_file_of_its_own_is_not_there(api: Api, session: str, tmp_path: Path, code: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the server")
    code = f"import os, shutil\nname = 'it'\n{code}"
    (found,) = api.execute(session, code, {"target": str(secret)}, ["name"])["outputParameters"]
    try:
        assert api.ok("GET", f"/sessions/{session}/files") == []
        for method in ("GET", "DELETE"):
            api.error(method, f"/sessions/{session}/files/{found['value']}", 404)
        assert secret.read_text() == "of the server"
    finally:
        tidy = "shutil.rmtree('it') if os.path.isdir('it') and not os.path.islink('it') else os.unlink('it')"
        assert api.execute(session, tidy)["success"]


@pytest.mark.parametrize("what", [what for what in SPECIAL if "folder" not in what and what != "a hard link"])
def test_a_snapshot_leaves_it_out_and_says_so(api: Api, tmp_path: Path, what: str) -> None:
    """Neither is it opened: a device has no end, and a pipe waits. A hard link is a file that the session can read."""
    secret = tmp_path / "secret"
    secret.write_text("of the server")
    session = api.session()
    code = f"import os\nos.mkdir('sub'); os.chdir('sub')\n{SPECIAL[what]}\nopen('f', 'w').write('kept')\nos.chdir('..')"
    assert api.execute(session, code, {"target": str(secret)})["success"]
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert "sub/it" in {entry["name"] for entry in made["notKept"]}
    content = api.send("GET", f"/snapshots/{made['snapshotId']}").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name for name in archive.namelist() if name.startswith("files/")} == {"files/sub/", "files/sub/f"}
    again = api.session(snapshotId=made["snapshotId"])
    assert api.ok("GET", f"/sessions/{again}/files") == ["sub/f"]
    for identity in (session, again):
        api.ok("DELETE", f"/sessions/{identity}/force")


def test_an_upload_goes_over_a_link_and_not_through_it(api: Api, session: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the server")
    api.execute(session, "os.symlink(target, 'it')", {"target": str(secret)})
    assert upload(api, session, "it", b"mine").status_code == 201
    assert secret.read_text() == "of the server"
    assert api.send("GET", f"/sessions/{session}/files/it").content == b"mine"
    api.ok("DELETE", f"/sessions/{session}/files/it")


def test_a_file_that_is_swapped_for_a_link_all_the_time(api: Api, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the server")
    session = api.session()
    code = """
import os, threading
os.mkdir('folder')
for name in ('mine', 'folder/secret'): open(name, 'w').write('mine')
swapping = True
def swap():
    while swapping:
        os.symlink(target, 'link'); os.rename('link', 'it')
        os.link('mine', 'other'); os.rename('other', 'it'); os.unlink('it'); open('it', 'w').write('mine')
        os.symlink(os.path.dirname(target), 'there'); os.rename('folder', 'kept')
        os.rename('there', 'folder'); os.unlink('folder'); os.rename('kept', 'folder')
thread = threading.Thread(target=swap); thread.start()
"""
    assert api.execute(session, code, {"target": str(secret)})["success"]
    seen = set()
    for _ in range(150):
        for name in ("it", "folder/secret"):
            answer = api.send("GET", f"/sessions/{session}/files/{name}")
            seen.add((answer.status_code, answer.content if answer.ok else b""))
    assert seen <= {(200, b"mine"), (200, b""), (404, b"")}
    assert (200, b"mine") in seen
    assert api.execute(session, "swapping = False; thread.join()")["success"]
    api.ok("DELETE", f"/sessions/{session}/force")


def test_a_working_directory_that_was_replaced(api: Api, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the server")
    session = api.session()
    # It is put back after each execution, so a thread takes it away.
    code = """
import os, threading, time
here = os.getcwd()
def replace():
    os.rename(here, here + '-gone'); os.symlink(target, here); replaced.set()
replaced = threading.Event()
"""
    api.execute(session, code, {"target": str(tmp_path)})
    assert api.execute(session, "threading.Timer(0, replace).start(); replaced.wait(10)")["success"]
    assert api.ok("GET", f"/sessions/{session}/files") == []
    api.error("GET", f"/sessions/{session}/files/secret", 404)
    api.error("DELETE", f"/sessions/{session}/files/secret", 404)
    api.error("POST", f"/sessions/{session}/files", 409, files={"file": ("new", b"x")})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    api.ok("DELETE", f"/sessions/{session}/force")


FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx'
BAD_FORMS: dict[str, tuple[int, str, bytes]] = {
    "json": (415, "application/json", b"{}"),
    "a pickle": (415, "application/x-python-pickle", b"x"),
    "no boundary": (400, "multipart/form-data", PART + b"\r\n--b--"),
    "nothing": (400, FORM, b""),
    "no field": (400, FORM, b"--b--\r\n"),
    "another field": (400, FORM, PART.replace(b'"file"', b'"model"') + b"\r\n--b--"),
    "no file name": (400, FORM, b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--'),
    "no end": (400, FORM, PART),
    "no end after a delimiter": (400, FORM, PART + b"\r\n--b"),
    "two files": (400, FORM, PART + b"\r\n" + PART + b"\r\n--b--"),
    "an endless head": (400, FORM, b"--b\r\nX: " + b"x" * 100_000),
    "not a delimiter": (400, FORM, b"--bc\r\n" + PART + b"\r\n--b--"),
}


@pytest.mark.parametrize("form", BAD_FORMS.values(), ids=BAD_FORMS)
def test_forms_that_are_none(api: Api, session: str, directory: Path, form: tuple[int, str, bytes]) -> None:
    status, kind, body = form
    api.error("POST", f"/sessions/{session}/files", status, data=body, headers={"Content-Type": kind})
    assert [path for path in directory.rglob("*") if not path.is_dir()] == []
    assert list((directory.parent / "transfers").iterdir()) == []


def test_other_fields_are_passed_over(api: Api, session: str) -> None:
    other = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nabout it\r\n'
    body = b"preamble\r\n" + other + PART + b"\r\n" + other + b"--b--\r\nepilogue"
    api.ok("POST", f"/sessions/{session}/files", 201, data=body, headers={"Content-Type": FORM})
    assert api.send("GET", f"/sessions/{session}/files/f").content == b"x"
    api.ok("DELETE", f"/sessions/{session}/files/f")


def test_an_upload_that_breaks_off_leaves_nothing(api: Api, session: str, directory: Path) -> None:
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port or 80)) as connection:
        head = (
            f"POST /sessions/{session}/files HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n"
            f"Authorization: Bearer {api.tokens['access_token']}\r\nContent-Length: {50 * MB}\r\n\r\n"
        )
        connection.sendall(head.encode() + PART + bytes(4 * MB))
        wait_until(lambda: list((directory.parent / "transfers").iterdir()))
    wait_until(lambda: not list((directory.parent / "transfers").iterdir()))
    assert [path for path in directory.rglob("*") if not path.is_dir()] == []


def _zeros(size: int) -> Iterator[bytes]:
    yield PART
    for _ in range(size // MB):
        yield bytes(MB)
    yield b"\r\n--b--"


@pytest.mark.parametrize("sized", [True, False])
def test_a_large_file_is_never_in_memory(start_server: Callable[..., ServerProcess], sized: bool) -> None:
    server = start_server(f"--ServeApp.max_body_bytes={260 * MB}")
    api = Api(server)
    session = api.session()
    process = psutil.Process(server.pid)
    before, peak, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        # Bytes have a Content-Length, an iterator goes out in chunks.
        data = b"".join(_zeros(250 * MB)) if sized else _zeros(250 * MB)
        api.ok("POST", f"/sessions/{session}/files", 201, data=data, headers={"Content-Type": FORM})
        answer = api.send("GET", f"/sessions/{session}/files/f", stream=True)
        assert sum(map(len, answer.iter_content(MB))) == 250 * MB + 1
        api.error("POST", f"/sessions/{session}/files", 413, data=_zeros(270 * MB), headers={"Content-Type": FORM})
        assert api.ok("GET", f"/sessions/{session}/files") == ["f"]
    finally:
        done.set()
        watching.join()
    assert peak - before < 60 * MB
