"""%snapshot, %%publish, %publish, %services, %unpublish."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.client import DeployRClient
from jupyter_deployr.magics.failures import CellFailed


def test_the_cell_is_published_on_the_sessions_workspace(
    ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any
) -> None:
    before = client.list_snapshots()
    ip.run_cell_magic("remote", "", "factor = 3")
    ip.run_cell_magic("publish", f"{service} V1.0 -i x:numeric -o y:numeric", "y = factor * x")
    assert capsys.readouterr().out == f"Published {service} V1.0: POST /api/{service}/V1.0\n"
    ip.run_cell_magic("remote", "", "factor = 100")
    assert client.consume(service, "V1.0", {"x": 2}).output_parameters == {"y": 6}
    assert client.list_snapshots() == before


def test_publish_takes_the_last_remote_cell(ip: InteractiveShell, client: DeployRClient, service: str) -> None:
    with pytest.raises(CellFailed, match="no %%remote cell has run yet"):
        ip.run_line_magic("publish", f"{service} 1 -o y:numeric")
    ip.run_cell_magic("remote", "", "x = 1\ny = x + 1\n")
    ip.run_line_magic("remote", "y")
    with pytest.raises(CellFailed):
        ip.run_cell_magic("remote", "", "this fails")
    ip.run_line_magic("publish", f"{service} 1 -i x:numeric -o y:numeric")
    assert client.get_web_service_version(service, "1")[0].code == "x = 1\ny = x + 1\n"


def test_without_a_session_there_is_no_workspace(
    ip: InteractiveShell, client: DeployRClient, service: str, notebook: str
) -> None:
    ip.run_cell_magic(
        "publish", f"{service} 1 -i a:integer b:integer -o c:integer -o d:integer", "c = a + b\nd = a * b"
    )
    assert client.consume(service, "1", {"a": 3, "b": 4}).output_parameters == {"c": 7, "d": 12}
    assert notebook not in [session.name for session in client.list_sessions()]


def test_without_a_version_the_path_tells_the_servers(
    ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any
) -> None:
    ip.run_cell_magic("publish", f"{service} -o y:numeric", "y = 1")
    (version,) = client.get_all_web_service_versions_by_name(service)
    assert capsys.readouterr().out == f"Published {service}: POST /api/{service}/{version.version}\n"


def test_every_option_arrives(ip: InteractiveShell, client: DeployRClient, service: str) -> None:
    ip.user_ns["before_each_call"] = "offset = 10"
    ip.run_cell_magic(
        "publish",
        f"{service} 1 -i x:float -o y:float --describe \"Adds 'ten', {{service_words}}\" --alias addTen "
        "--init before_each_call --snapshot none",
        "y = x + offset",
    )
    (published,) = client.get_web_service_version(service, "1")
    assert published.description == "Adds 'ten', {service_words}"
    assert published.operation_id == "addTen"
    assert published.init_code == "offset = 10"
    assert client.consume(service, "1", {"x": 1}).output_parameters == {"y": 11}


def test_a_snapshot_can_be_named(ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any) -> None:
    name = f"snapshot-{uuid.uuid4().hex[:8]}"
    ids = []
    for factor in (2, 3):
        ip.run_cell_magic("remote", "", f"factor = {factor}")
        ids.append(ip.run_line_magic("snapshot", name))
    assert [snapshot.id for snapshot in client.list_snapshots() if snapshot.name == name] == ids
    for version, snapshot, expected in (("1", name, 3), ("2", ids[0], 2)):
        ip.run_cell_magic("publish", f"{service} {version} -o y:numeric --snapshot {snapshot}", "y = factor")
        assert client.consume(service, version, {}).output_parameters == {"y": expected}
    with pytest.raises(CellFailed, match=rf"no snapshot 'snapshot-x' \(your snapshots: .*{name}"):
        ip.run_cell_magic("publish", f"{service} 3 -o y:numeric --snapshot snapshot-x", "y = factor")
    for snapshot_id in ids:
        client.delete_snapshot(snapshot_id)


def test_what_is_not_kept_is_named(ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any) -> None:
    ip.run_cell_magic("remote", "", "import threading\nlock = threading.Lock()\nfine = 4")
    snapshot_id = ip.run_line_magic("snapshot", "")
    assert "\nNot kept: lock (" in capsys.readouterr().out
    client.delete_snapshot(snapshot_id)
    ip.run_cell_magic("publish", f"{service} 1 -o y:numeric", "y = fine")
    shown = capsys.readouterr().out
    assert shown.startswith("Not kept: lock (")
    assert shown.splitlines()[1].startswith("Published ")


def test_update_sends_only_what_is_given(
    ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any
) -> None:
    ip.run_cell_magic("remote", "", "factor = 3")
    ip.run_cell_magic("publish", f"{service} 1 -i x:numeric -o y:numeric", "y = factor * x")
    ip.run_cell_magic("remote", "", "factor = 100")
    capsys.readouterr()
    ip.run_line_magic("publish", f'{service} 1 --update --describe "Three times x"')
    assert capsys.readouterr().out == f"Updated {service} 1: POST /api/{service}/1\n"
    (updated,) = client.get_web_service_version(service, "1")
    assert (updated.description, updated.code) == ("Three times x", "y = factor * x")
    assert client.consume(service, "1", {"x": 2}).output_parameters == {"y": 6}

    ip.run_cell_magic("publish", f"{service} 1 --update --snapshot none", "y = factor * x + 1")
    assert client.consume(service, "1", {"x": 2}).output_parameters == {"y": 7}
    ip.run_cell_magic("publish", f"{service} 1 --update -i x:numeric z:numeric", "y = factor * x + z")
    assert client.consume(service, "1", {"x": 2, "z": 5}).output_parameters == {"y": 205}
    (updated,) = client.get_web_service_version(service, "1")
    assert updated.description == "Three times x"


def test_a_version_that_can_not_be_loaded_leaves_nothing_behind(
    ip: InteractiveShell, client: DeployRClient, service: str
) -> None:
    before = client.list_snapshots()
    ip.run_cell_magic("remote", "", "a = 1")
    with pytest.raises(CellFailed, match=r"^BadRequest: .*SyntaxError"):
        ip.run_cell_magic("publish", f"{service} 1 -o y:numeric", "y = = 1")
    assert client.get_all_web_service_versions_by_name(service) == []
    assert client.list_snapshots() == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("-o y:numbr", r"UsageError: argument -o/--output: Unknown parameter type 'numbr'.*logical, numeric, integer"),
        ("-o y:vectr", r"Did you mean y:vector\? `%publish\?`"),
        ("-o y", "'y' is not name:type, such as flower_data:vector"),
        ("-o 1y:vector", "must be a Python variable name, not '1y'"),
        ("-o", "expected at least one argument"),
        ("--describe 'open", "No closing quotation"),
        ("--unknown", "unrecognized arguments: --unknown"),
        ("--init nothing", "--init nothing: there is no variable of that name"),
        ("--update", r"^NotFound: .*`%services` lists what there is\.$"),
    ],
)
def test_misuse_is_one_line(ip: InteractiveShell, service: str, arguments: str, line: str) -> None:
    with pytest.raises(CellFailed, match=line) as raised:
        ip.run_cell_magic("publish", f"{service} 1 {arguments}", "y = 1")
    assert "\n" not in str(raised.value)


def test_update_needs_a_version_and_something_to_change(ip: InteractiveShell, service: str) -> None:
    with pytest.raises(CellFailed, match="UsageError: --update needs the version"):
        ip.run_line_magic("publish", f"{service} --update --describe x")
    with pytest.raises(CellFailed, match="UsageError: there is nothing to update"):
        ip.run_line_magic("publish", f"{service} 1 --update")


def test_a_version_that_exists_is_told_with_what_to_do(ip: InteractiveShell, service: str) -> None:
    ip.run_cell_magic("publish", f"{service} 1", "y = 1")
    with pytest.raises(CellFailed, match=r"^Conflict: .* Take another version, or change this one with --update\.$"):
        ip.run_cell_magic("publish", f"{service} 1", "y = 1")


def test_snapshot_shows_its_size_and_what_is_not_kept(ip: InteractiveShell, client: DeployRClient, capsys: Any) -> None:
    code = "import threading, numpy as np\nbig = np.zeros(1_000_000); lock = threading.Lock()\ndef f(): return lock"
    ip.run_cell_magic("remote", "", code)
    snapshot_id = ip.run_line_magic("snapshot", "")
    saved, unkept = capsys.readouterr().out.splitlines()
    assert saved == "Saved 8.0 MB; largest: big 8.0 MB"
    assert re.fullmatch(r"Not kept: lock \(lock\): .*; used by f", unkept)
    client.delete_snapshot(snapshot_id)


def test_a_part_of_the_session_can_be_saved(ip: InteractiveShell, client: DeployRClient, capsys: Any) -> None:
    ip.run_cell_magic("remote", "", "a = 1; b = 2; c = bytes(10_000)\ndef f(): return a\nopen('big.csv', 'w').close()")
    made = [
        ip.run_line_magic("snapshot", options)
        for options in ("--only b f", "part --drop c big.csv --drop a", "--strict --only a f")
    ]
    assert capsys.readouterr().out.count("Not kept: a (int): left out, but used by f") == 2
    kept = {each.id: {entry.name for entry in each.largest} for each in client.list_snapshots() if each.id in made}
    assert [kept[each] for each in made] == [{"b", "f", "big.csv"}, {"b", "f"}, {"a", "f", "big.csv"}]
    for snapshot_id in made:
        client.delete_snapshot(snapshot_id)
    with pytest.raises(CellFailed, match="a \\(int\\): left out, but used by f"):
        ip.run_line_magic("snapshot", "--strict --drop a")
    with pytest.raises(CellFailed, match="no variable or file of the name 'nothing'"):
        ip.run_line_magic("snapshot", "--only nothing")


def test_a_long_snapshot_shows_a_bar(ip: InteractiveShell, client: DeployRClient, capsys: Any) -> None:
    slow = """
import time
class Slow:
    def __reduce__(self):
        time.sleep(1.1)
        return bytes, (2000,)
first = Slow(); second = Slow(); third = Slow()
"""
    ip.run_cell_magic("remote", "", slow)
    client.delete_snapshot(ip.run_line_magic("snapshot", ""))
    shown = capsys.readouterr()
    # Where widgets can be shown, the bar is one, and here its text.
    assert re.search(r"third: +\d.*B \[", shown.out + shown.err)


def test_the_isolation_can_be_chosen_and_what_may_stay_is_told(
    ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any
) -> None:
    ip.run_cell_magic("remote", "", "class Box: n = 0\nbox = Box()")
    ip.run_cell_magic("publish", f"{service} 1 -o n:integer", "box.n += 1; n = box.n")
    assert "Note: Changes that a call makes inside these objects stay for the next call: box (Box)." in (
        capsys.readouterr().out
    )
    for isolation in ("reload", "process"):
        ip.run_line_magic("publish", f"{service} 1 --update --isolation {isolation}")
        assert "Note" not in capsys.readouterr().out
        assert client.get_web_service_version(service, "1")[0].isolation == isolation
        answers = [client.consume(service, "1", {}).output_parameters for _ in range(4)]
        assert answers == [{"n": 1}] * 4
    with pytest.raises(CellFailed, match="invalid choice: 'none'"):
        ip.run_line_magic("publish", f"{service} 1 --update --isolation none")


def test_snapshot_needs_a_session(ip: InteractiveShell) -> None:
    with pytest.raises(CellFailed, match=r"^NotFound: There is no remote session yet\. A %%remote cell starts it\.$"):
        ip.run_line_magic("snapshot", "x")


def test_services_are_a_list_that_shows_as_a_table(ip: InteractiveShell, service: str) -> None:
    hostile = "<script>alert('x')</script>"
    ip.run_cell_magic("publish", f'{service} 1 -i v:vector -o f:data.frame --describe "{hostile}"', "f = {'a': v}")
    ip.run_cell_magic("publish", f"{service} 2", "y = 1")
    ip.run_cell(f"listed = %services {service}")
    listed = ip.user_ns["listed"]
    assert [each.version for each in listed] == ["1", "2"]
    assert isinstance(listed, list)

    data, _ = ip.display_formatter.format(listed)  # type: ignore[union-attr]
    assert "<script>" not in data["text/html"]
    assert "&lt;script&gt;" in data["text/html"]
    lines = data["text/plain"].splitlines()
    assert lines[0].split() == ["Service", "Version", "Inputs", "Outputs", "Description", "Published", "by"]
    assert lines[1].split() == [service, "1", "v:", "vector", "f:", "data.frame", *hostile.split(), "admin"]

    assert [each.version for each in ip.run_line_magic("services", f"{service} 2")] == ["2"]
    assert {each.version for each in ip.run_line_magic("services", "") if each.name == service} == {"1", "2"}
    empty, _ = ip.display_formatter.format(ip.run_line_magic("services", "Nowhere"))  # type: ignore[union-attr]
    assert empty == {"text/html": "<p>No services.</p>", "text/plain": "No services."}
    with pytest.raises(CellFailed, match=r"^NotFound: "):
        ip.run_line_magic("services", f"{service} 3")


def test_unpublish_takes_versions_away(ip: InteractiveShell, client: DeployRClient, service: str, capsys: Any) -> None:
    for version in ("1", "2", "3"):
        ip.run_cell_magic("publish", f"{service} {version}", "y = 1")
    capsys.readouterr()
    ip.run_line_magic("unpublish", f"{service} 1 2")
    assert capsys.readouterr().out == f"Unpublished: {service} 1, 2\n"
    assert [each.version for each in client.get_all_web_service_versions_by_name(service)] == ["3"]
    with pytest.raises(CellFailed, match=r"^NotFound: .*`%services` lists what there is\.$"):
        ip.run_line_magic("unpublish", f"{service} 1")
    ip.run_line_magic("unpublish", f"{service} 1 --missing-ok")
    with pytest.raises(CellFailed, match="required: version"):
        ip.run_line_magic("unpublish", service)
