"""Every notebook of the documentation: its outputs are as stored, and it leaves nothing that it shouldn't."""

from __future__ import annotations

import nbformat
import pytest

from tests.notebooks.runs import NOTEBOOKS, ask_another_process, compared, headless

# What each leaves published.
LEFT = {"quickstart": [["Iris", "V1.0"]], "snapshots": []}


def test_each_notebook_is_in_the_table() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == LEFT.keys()


@pytest.mark.parametrize("name", LEFT)
def test_outputs_are_as_stored_also_the_second_time(machine: dict[str, str], name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for _ in range(2):
        done = compared(machine, path)
        assert done.returncode == 0, done.stdout
        assert f"{len(cells)} passed" in done.stdout


@pytest.mark.parametrize("name", LEFT)
def test_a_headless_run_leaves_what_it_should(machine: dict[str, str], name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    before = path.read_bytes()
    done = headless(machine, path)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before
    versions = "[[each.name, each.version] for each in client.get_all_web_services()]"
    assert ask_another_process(machine, versions) == LEFT[name]
    assert ask_another_process(machine, "[len(client.list_sessions()), len(client.list_snapshots())]") == [0, 0]


@pytest.mark.parametrize("name", LEFT)
def test_they_are_stored_with_their_outputs_and_of_no_ones_environment(name: str) -> None:
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", ()))
