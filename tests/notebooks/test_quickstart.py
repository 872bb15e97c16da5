"""The quickstart, as a new user runs it: nothing configured, the embedded server starts by itself."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.runs import NOTEBOOKS, ask_another_process, headless, run

QUICKSTART = NOTEBOOKS / "quickstart.ipynb"


def test_its_service_answers_after_a_restart_of_the_server(machine: dict[str, str]) -> None:
    done = headless(machine, QUICKSTART)
    assert done.returncode == 0, done.stderr
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
