"""What code of a session calls text, though no encoding can carry it: it is answered, and nothing breaks of it."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.data_directory import DATABASE


@pytest.fixture(scope="module")
def session(api: Api) -> Iterator[str]:
    """A session in which `kept` is 7."""
    identity = api.session()
    assert api.execute(identity, "kept = 7")["success"]
    yield identity
    api.send("DELETE", f"/sessions/{identity}/force")


# code → its errorMessage and consoleOutput
SAID = {
    "printed": (r"print('x\ud800y')", "", "x\ufffdy\n"),
    "printed as an error": (r"import sys; print('x\udce9', file=sys.stderr)", "", "x\ufffd\n"),
    "a pair of halves": (r"print('\ud83d' + '\ude00')", "", "😀\n"),
    "the last value": (
        "class Odd:\n    def __repr__(self): return 'r\\ud800'\nOdd()",
        "",
        "r\ufffd\n",
    ),
    "displayed": (
        r"from IPython.display import display; display({'text/plain': 't\ud800', 'text/html': '\udfff'}, raw=True)",
        "",
        "t\ufffd\n",
    ),
    "an error": (r"raise ValueError('\ud800')", "ValueError: \ufffd", ""),
    "a key of an error": (r"{}['k\ud800']", "KeyError: 'k\\ud800'", ""),
    "an output": (r"y = ['\ud800']", "", ""),
}


@pytest.mark.parametrize(("code", "message", "printed"), SAID.values(), ids=SAID)
def test_it_is_said_and_the_session_lives_on(api: Api, session: str, code: str, message: str, printed: str) -> None:
    answer = api.execute(session, code)
    assert (answer["errorMessage"], answer["consoleOutput"]) == (message, printed)
    after = api.execute(session, "print(kept)")
    assert (after["errorMessage"], after["consoleOutput"]) == ("", "7\n"), "nothing of ours is in it"


def test_bytes_of_a_child(api: Api, session: str) -> None:
    code = r"import os; _ = os.system(r'printf \\351; printf \\377 >&2')"
    # They may come a moment after the end of the cell, and then belong to none.
    wait_until(lambda: "\ufffd" in api.execute(session, code)["consoleOutput"])
    assert api.execute(session, "", outputs=["kept"])["outputParameters"] == [{"name": "kept", "value": 7}]


def test_outputs(api: Api, session: str) -> None:
    answer = api.execute(session, r"y = {'k\ud800': ['v\udce9']}", outputs=["y"])
    assert answer["outputParameters"] == [{"name": "y", "value": {"k\ufffd": ["v\ufffd"]}}]


def test_lines(api: Api, session: str) -> None:
    code = r"print('x\ud800'); '\udce9'.join('ab').encode()"
    answer = api.send(
        "POST", f"/sessions/{session}/execute", json={"code": code}, headers={"Accept": "application/x-ndjson"}
    )
    *messages, last = [json.loads(line) for line in answer.content.decode("utf-8").splitlines()]
    assert [one["content"]["text"] for one in messages if one["msg_type"] == "stream"] == ["x\ufffd\n"]
    assert last["errorMessage"].startswith("UnicodeEncodeError: ")


def test_help(api: Api, session: str) -> None:
    code = r"""
class Odd: pass
odd = Odd(); setattr(odd, 'n\ud800', 1)
def helped(): pass
helped.__doc__ = 'what \udce9 does'
open(b'found-caf\xe9.csv', 'w').close()
"""
    assert api.execute(session, code)["success"]
    for asked, found in (("odd.n", "n\ufffd"), ("open('found-", "found-caf\ufffd.csv")):
        assert found in api.ok("POST", f"/sessions/{session}/complete", json={"code": asked})["matches"]
    reply = api.ok("POST", f"/sessions/{session}/inspect", json={"code": "helped"})
    assert "what \ufffd does" in reply["data"]["text/plain"]
    assert code in api.ok("GET", f"/sessions/{session}/history")


def test_names_of_objects_are_listed_with_escapes(api: Api) -> None:
    session = api.session()
    code = r"globals().update({'a\ud800': 1, 'b\udce9': 2, (1, 2): 3, type('', (str,), {})('d'): 5}); c = 4"
    assert api.execute(session, code)["success"]
    assert api.ok("GET", f"/sessions/{session}/workspace") == ["a\\ud800", "b\\xe9", "c", "d"]
    api.ok("DELETE", f"/sessions/{session}")


_FILES = r"""
import os
os.mkdir(b'f\xe8')
for name in (b'caf\xe9.csv', b'caf\xe8.csv', b'f\xe8/in\xe7', 'größe'):
    with open(name, 'wb') as file: file.write(os.fsencode(name))
del file
"""
# As they are shown → as they are.
_SHOWN = {
    "caf\\xe8.csv": b"caf\xe8.csv",
    "caf\\xe9.csv": b"caf\xe9.csv",
    "f\\xe8/in\\xe7": b"f\xe8/in\xe7",
    "größe": "größe".encode(),
}


def test_files_whose_names_are_no_text(api: Api) -> None:
    session = api.session()
    answer = api.execute(session, _FILES)
    assert sorted(answer["changedFiles"]) == api.ok("GET", f"/sessions/{session}/files") == sorted(_SHOWN)
    for shown, name in _SHOWN.items():
        path = f"/sessions/{session}/files/" + "/".join(quote(part, safe="") for part in shown.split("/"))
        assert api.send("GET", path).content == name
        api.ok("DELETE", path)
        api.error("GET", path, 404)
    assert api.ok("GET", f"/sessions/{session}/files") == []
    assert api.execute(session, r"open(b'\xff' * 255, 'w').write('long')")["success"]
    (shown,) = api.ok("GET", f"/sessions/{session}/files")
    assert api.send("GET", f"/sessions/{session}/files/{quote(shown)}").text == "long"
    api.error("GET", f"/sessions/{session}/files/{quote(shown.upper())}", 404)
    api.error("GET", f"/sessions/{session}/files/{quote(shown + 'x')}", 400)
    api.ok("DELETE", f"/sessions/{session}")


def test_a_file_is_asked_for_by_its_own_name_first(api: Api) -> None:
    session = api.session()
    code = r"open(b'a\xe9', 'w').write('the byte'); open(r'a\xe9', 'w').write('the letters')"
    assert api.execute(session, code)["success"]
    path = f"/sessions/{session}/files/{quote(chr(97) + chr(92) + 'xe9')}"
    for content in ("the letters", "the byte"):
        assert api.send("GET", path).text == content
        api.ok("DELETE", path)
    api.error("GET", path, 404)
    api.ok("DELETE", f"/sessions/{session}")


def test_snapshots_keep_them_exactly(api: Api) -> None:
    session = api.session()
    code = r"""
import threading
class Gone:
    def __reduce__(self): return eval, ('1 / 0',)
globals().update({'a\ud800': 'v\udce9', 'b\ud800': threading.Lock(), 'c\ud800': Gone()})
"""
    assert api.execute(session, _FILES + code)["success"]
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert {entry["name"]: entry["type"] for entry in made["notKept"]} == {"b\\ud800": "lock", "c\\ud800": "Gone"}
    assert {"a\\ud800", "caf\\xe9.csv"} < {entry["name"] for entry in made["largest"]}
    (entry,) = [entry for entry in api.ok("GET", "/snapshots") if entry["id"] == made["snapshotId"]]
    assert (entry["largest"], entry["notKept"]) == (made["largest"], made["notKept"])
    content = api.send("GET", f"/snapshots/{made['snapshotId']}").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        assert "a\\ud800" in json.loads(archive.read("manifest.json"))["names"]
    assert {name.removeprefix("files/"): kept[name] for name in kept if name.startswith("files/")} == _SHOWN
    again = api.session(snapshotId=made["snapshotId"])
    look = r"""
import os
found = sorted(repr(os.path.join(folder, name)) for folder, _, names in os.walk(b'.') for name in names)
value = ascii(globals()['a\ud800'])
"""
    answer = api.execute(again, look, outputs=["found", "value"])
    assert {it["name"]: it["value"] for it in answer["outputParameters"]} == {
        "found": sorted(repr(b"./" + name) for name in _SHOWN.values()),
        "value": r"'v\udce9'",
    }
    fault = api.error("POST", f"/sessions/{session}/snapshot", 400, json={"strict": True})
    assert "b\ufffd (lock)" in fault["message"]
    for identity in (session, again):
        api.ok("DELETE", f"/sessions/{identity}/force")


def test_progress_names_them(api: Api) -> None:
    session = api.session()
    code = r"""
class Slow:
    def __reduce__(self):
        import time; time.sleep(.3)
        return int, ()
slow = Slow(); globals()['a\udce9'] = 1; open(b'caf\xe9', 'wb').write(bytes(100))
"""
    assert api.execute(session, code)["success"]
    headers = {"Accept": "application/x-ndjson"}
    answer = api.send("POST", f"/sessions/{session}/snapshot", json={}, headers=headers)
    *progress, last = [json.loads(line) for line in answer.content.decode("utf-8").splitlines()]
    assert "a\\xe9" in {line["name"] for line in progress}
    assert "snapshotId" in last
    api.ok("DELETE", f"/sessions/{session}")


def test_a_published_version_says_what_it_wants_of_them(api: Api) -> None:
    code = r"import os; os.rename(b'caf\xe9.csv', b'x\xe9'); y = open(b'x\xe9', 'rb').read().hex(); print('\ud800')"
    path = api.publish("OddText", code, snapshotId=api.snapshot(_FILES))
    answer = api.consume(path)
    assert (answer["errorMessage"], answer["consoleOutput"]) == ("", "\ufffd\n")
    assert answer["changedFiles"] == ["x\\xe9"]
    fault = api.error(
        "POST", "/services/OddText/V2", 400, json={"code": "y = 1", "initCode": r"raise ValueError('\ud800')"}
    )
    assert "ValueError: \ufffd" in fault["message"]
    api.ok("DELETE", "/services/OddText/V1.0")


# As an earlier version, or a session that writes the file itself, may have left it: column → value, answer.
STORED: dict[str, tuple[Any, str, Any]] = {
    "largest": ([["caf\udce9.csv", 3]], "largest", [{"name": "caf\ufffd.csv", "size": 3}]),
    "not_kept": (
        [["a\ud800", "T\ud800", "why \udc00"]],
        "notKept",
        [{"name": "a\ufffd", "type": "T\ufffd", "reason": "why \ufffd"}],
    ),
    "manifest": ({"python": "3\ud800", "distributions": {"p\ud800": "1"}}, "distributions", {"p\ufffd": "1"}),
}


def test_rows_that_hold_such_text_are_listed(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)
    made = {column: api.snapshot("x = 1", column) for column in STORED}
    with closing(sqlite3.connect(server.data_dir / DATABASE)) as database, database:
        for column, (value, _, _) in STORED.items():
            update = f"UPDATE snapshots SET {column} = ? WHERE id = ?"
            assert database.execute(update, [json.dumps(value), made[column]]).rowcount == 1
    listed = {entry["id"]: entry for entry in api.ok("GET", "/snapshots")}
    for column, (_, member, shown) in STORED.items():
        assert listed[made[column]][member] == shown
        again = api.session(snapshotId=made[column])
        assert api.execute(again, "x")["consoleOutput"] == "1\n"
        api.ok("DELETE", f"/snapshots/{made[column]}")


# Instead of the manifest that a snapshot would have → how its distributions are listed, or None if it is no snapshot.
MANIFESTS: dict[str, tuple[str, dict[str, str] | None]] = {
    "odd text": (
        r"{'python': found['python'], 'platform': '\ud800', 'distributions': {'p\udce9': '\ud800'}}",
        {"p\ufffd": "\ufffd"},
    ),
    "numbers": ("{'python': found['python'], 'platform': 5, 'distributions': {'p': 6}}", {"p": "6"}),
    "no distributions": ("{'python': found['python'], 'distributions': 7}", None),
    "no python": ("{}", None),
    "a list": ("[]", None),
}


@pytest.mark.parametrize(("manifest", "distributions"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_session_that_writes_its_manifest_itself(
    api: Api, manifest: str, distributions: dict[str, str] | None
) -> None:
    session = api.session()
    code = f"""
import jupyter_deployr.computenode.saving as saving
make = saving.make_manifest
def forged(packages):
    found = make(packages)
    return {manifest}
saving.make_manifest = forged
x = 1
"""
    assert api.execute(session, code)["success"]
    if distributions is None:
        api.error("POST", f"/sessions/{session}/snapshot", 500, json={"only": ["x"]})
        api.ok("GET", "/snapshots")
    else:
        identity = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={"only": ["x"]})["snapshotId"]
        (entry,) = [entry for entry in api.ok("GET", "/snapshots") if entry["id"] == identity]
        assert entry["distributions"] == distributions
        api.ok("DELETE", f"/snapshots/{identity}")
    api.ok("DELETE", f"/sessions/{session}/force")
