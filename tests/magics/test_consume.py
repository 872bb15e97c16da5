from __future__ import annotations

from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.magics import assignments
from jupyter_deployr.magics.failures import CellFailed


@pytest.fixture
def doubling(ip: InteractiveShell, service: str, capsys: Any) -> str:
    ip.run_cell_magic("publish", f"{service} V1.0 -i x:vector -o y:vector", "print('doubling')\ny = 2 * x")
    capsys.readouterr()
    return service


def test_the_value_of_the_one_output_is_returned(ip: InteractiveShell, doubling: str, capsys: Any) -> None:
    assert ip.run_line_magic("consume", f"{doubling} V1.0 x=[1, 2]") == [2, 4]
    assert capsys.readouterr().out == "doubling\n"


def test_values_are_expressions_of_the_notebook(ip: InteractiveShell, doubling: str) -> None:
    ip.run_cell("import numpy\nrow = numpy.array([1.5, 2])")
    ip.run_cell(f"result = %consume {doubling} V1.0 x=row + 1")
    assert ip.user_ns["result"] == [5, 6]
    ip.run_cell("import pandas\ncolumn = pandas.Series([1, 2])")
    assert ip.run_line_magic("consume", f"{doubling} x=column") == [2, 4]


def test_values_may_be_local_to_a_function(ip: InteractiveShell, doubling: str) -> None:
    ip.run_cell(
        f"def call(row):\n    return get_ipython().run_line_magic('consume', '{doubling} x=[v for v in row]')\n"
        "result = call([4])"
    )
    assert ip.user_ns["result"] == [8]


def test_several_outputs_are_a_dict_and_none_is_none(ip: InteractiveShell, service: str) -> None:
    ip.run_cell_magic("publish", f"{service} 1 -i x:integer -o y:integer z:character", "y = x\nz = {'a': 1}")
    assert ip.run_line_magic("consume", f"{service} 1 x=3") == {"y": 3, "z": "{'a': 1}"}
    ip.run_cell_magic("publish", f"{service} 2", "pass")
    assert ip.run_line_magic("consume", f"{service} 2") is None


def test_without_a_version_the_newest_answers(ip: InteractiveShell, service: str) -> None:
    for version in ("2", "1"):
        ip.run_cell_magic("publish", f"{service} {version} -o y:character", f"y = 'of {version}'")
    assert ip.run_line_magic("consume", service) == "of 1"


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("V1.0 x=1", "^InvalidInputs: x must be vector, a flat array, not the number 1"),
        ("V1.0", "^InvalidInputs: x is missing"),
        ("V1.0 x=[1] why=2", "^InvalidInputs: 'why' is not an input of this service"),
        ("V1.0 x=object()", "^InvalidInputs: x: a value of type object has no JSON form"),
        ("V1.0 x=['a', None]", r" V1\.0 failed: TypeError: "),
        ("V9 x=[1]", r"^NotFound: .*`%services` lists what there is\.$"),
        ("V1.0 x=nowhere", "^UsageError: the value of x raises NameError: name 'nowhere' is not defined"),
        ("V1.0 x=1 +", "^UsageError: the value of x is no Python expression"),
        ("V1.0 x=[1", "^UsageError: brackets or quotes in the inputs don't match"),
        ("V1.0 again x=[1]", "^UsageError: %consume takes a service"),
    ],
)
def test_what_goes_wrong_is_one_line(ip: InteractiveShell, doubling: str, capsys: Any, rest: str, line: str) -> None:
    with pytest.raises(CellFailed, match=line) as raised:
        ip.run_line_magic("consume", f"{doubling} {rest}")
    assert "\n" not in str(raised.value)
    result = ip.run_cell(f"%consume {doubling} {rest}")
    assert not result.success
    assert capsys.readouterr().out.removeprefix("doubling\n").removeprefix("doubling\n") == f"{raised.value}\n"


def test_an_unknown_service_is_told(ip: InteractiveShell) -> None:
    with pytest.raises(CellFailed, match=r"^NotFound: There is no service named 'Nowhere'\. `%services` lists"):
        ip.run_line_magic("consume", "Nowhere x=1")


@pytest.mark.parametrize(
    ("line", "words", "expressions"),
    [
        ("Iris", ["Iris"], {}),
        ("", [], {}),
        ("Iris V1.0 a=1", ["Iris", "V1.0"], {"a": "1"}),
        ("Iris 1.0.0-alpha+b a = 1 b  =  2", ["Iris", "1.0.0-alpha+b"], {"a": "1", "b": "2"}),
        ("'Demo svc' 08 größe=1", ["Demo svc", "08"], {"größe": "1"}),
        ("Iris 3f2a-1e5f a=-1 b=+2", ["Iris", "3f2a-1e5f"], {"a": "-1", "b": "+2"}),
        ("Iris a=[1, 2, 3] b={'k': (1, 2)}", ["Iris"], {"a": "[1, 2, 3]", "b": "{'k': (1, 2)}"}),
        ("Iris a='x b=1' b=\"it's\"", ["Iris"], {"a": "'x b=1'", "b": '"it\'s"'}),
        ("Iris a=f(x=1, y=2) b=3", ["Iris"], {"a": "f(x=1, y=2)", "b": "3"}),
        ("Iris a=1 if b == 2 else 3 c=x<=y", ["Iris"], {"a": "1 if b == 2 else 3", "c": "x<=y"}),
        ("Iris a=1, b=2,", ["Iris"], {"a": "1", "b": "2"}),
        ("Iris a=1,b=2", ["Iris"], {"a": "1", "b": "2"}),
        ("Iris a=x [0] b=[\n1,\n2] c=3", ["Iris"], {"a": "x [0]", "b": "[\n1,\n2]", "c": "3"}),
        ('Iris a=f"{x=} {y!r}" b=1', ["Iris"], {"a": 'f"{x=} {y!r}"', "b": "1"}),
    ],
)
def test_lines_are_split_as_python_reads_them(line: str, words: list[str], expressions: dict[str, str]) -> None:
    assert assignments.split(line) == (words, expressions)


@pytest.mark.parametrize("line", ["Iris a=", "Iris a=1 a=2", "Iris a=(1", "Iris a='x", "'Iris a=1", "Iris a=1)"])
def test_lines_that_are_no_calls_are_refused(line: str) -> None:
    with pytest.raises(UsageError):
        assignments.evaluate(assignments.split(line)[1], {})
