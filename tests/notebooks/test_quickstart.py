"""The quickstart, as a new user runs it: nothing configured, the embedded server starts by itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from jupyter_deployr.client import embedded
from tests.server_process import environment

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a user who has never run this before. The server that gets started is stopped afterwards."""
    variables = environment(tmp_path, DEPLOYR_DATA_DIR=str(tmp_path / "deployr"), PYTHONPATH=os.pathsep.join(sys.path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", variables["JUPYTER_RUNTIME_DIR"])
    yield variables
    embedded.stop(tmp_path / "deployr")


def run(machine: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=machine, cwd=ROOT, capture_output=True, text=True, timeout=300)


def headless(machine: dict[str, str], notebook: Path) -> subprocess.CompletedProcess[str]:
    return run(machine, str(Path(sys.executable).with_name("jupyter")), "execute", str(notebook))


def ask_another_process(machine: dict[str, str], question: str) -> object:
    done = run(
        machine,
        sys.executable,
        "-c",
        f"import json\nfrom jupyter_deployr.client import connect\nclient = connect()\nprint(json.dumps({question}))",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_outputs_are_as_stored_also_the_second_time(machine: dict[str, str]) -> None:
    for _ in range(2):
        done = run(machine, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", str(QUICKSTART))
        assert done.returncode == 0, done.stdout
        cells = [cell for cell in nbformat.read(QUICKSTART, as_version=4).cells if cell.cell_type == "code"]
        assert f"{len(cells)} passed" in done.stdout


def test_it_runs_headless_and_leaves_one_service_and_nothing_else(machine: dict[str, str]) -> None:
    before = QUICKSTART.read_bytes()
    done = headless(machine, QUICKSTART)
    assert done.returncode == 0, done.stderr
    assert QUICKSTART.read_bytes() == before
    versions = "[[each.name, each.version] for each in client.get_all_web_services()]"
    assert ask_another_process(machine, versions) == [["Iris", "V1.0"]]
    assert ask_another_process(machine, "[len(client.list_sessions()), len(client.list_snapshots())]") == [0, 0]
    call = "client.consume('Iris', 'V1.0', {'flower_data': [5.1, 3.5, 1.4, 0.2]}).output_parameters"
    assert ask_another_process(machine, call) == {"iris_species": ["I. setosa"]}

    stopped = run(machine, sys.executable, "-m", "jupyter_deployr", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert ask_another_process(machine, call) == {"iris_species": ["I. setosa"]}


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("%%remote\nprint('before')\n1 / 0", "ZeroDivisionError: division by zero"),
        ("%consume Nowhere x=1", "NotFound: There is no service named 'Nowhere'."),
        ("%%publish Iris -i x:vectr\ny = x", "Did you mean x:vector?"),
        ("%remote", "UsageError: %remote needs code to run."),
    ],
)
def test_a_failing_cell_stops_a_headless_run(machine: dict[str, str], tmp_path: Path, cell: str, shown: str) -> None:
    marker = tmp_path / "came here"
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext jupyter_deployr"),
            nbformat.v4.new_code_cell(cell),
            nbformat.v4.new_code_cell(f"open({str(marker)!r}, 'w').close()"),
        ]
    )
    path = tmp_path / "failing.ipynb"
    nbformat.write(book, path)
    done = headless(machine, path)
    assert done.returncode != 0
    assert shown in re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    assert "jupyter_deployr/magics" not in done.stderr
    assert not marker.exists()


def test_it_is_stored_with_its_outputs_and_of_no_ones_environment() -> None:
    book = nbformat.read(QUICKSTART, as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code[1:])
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
