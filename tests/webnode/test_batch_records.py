"""How a request body is cut into records, and what is kept of an answer."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from jupyter_deployr.protocol.errors import BadRequest, PayloadTooLarge, WorkerLost
from jupyter_deployr.webnode.batch_records import record_result, split_records

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
records_of_values = st.lists(st.dictionaries(st.text(), values, max_size=4), min_size=1, max_size=5)


@hypothesis.given(records_of_values, st.booleans(), st.sampled_from([None, 1]))
def test_records_come_out_as_they_went_in(records: list[Any], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(records, ensure_ascii=ascii_only, indent=indent).encode()
    assert [json.loads(record) for record in split_records(body, 100)] == records


@hypothesis.given(records_of_values, st.data())
def test_a_damaged_body_is_refused_or_means_what_json_says(records: list[Any], data: st.DataObject) -> None:
    text = json.dumps(records)
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.sampled_from([*list('[]{},:"\\ 0x'), ""])) + text[place + 1 :]
    try:
        split = [json.loads(record) for record in split_records(damaged.encode(), 100)]
    except BadRequest:
        return
    assert split == json.loads(damaged)


def test_records_stay_as_they_came() -> None:
    body = b' \t[ {"x": NaN},\r\n{"x" : -Infinity , "y":[{}, "}]\\"[{"]} ]\n'
    assert split_records(body, 2) == [b'{"x": NaN}', b'{"x" : -Infinity , "y":[{}, "}]\\"[{"]}']


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "must be a JSON array"),
        (b"null", "must be a JSON array"),
        (b'{"x": 1}', "must be a JSON array"),
        (b"\xef\xbb\xbf[{}]", "must be a JSON array"),
        ('[{"x": 1}]'.encode("utf-16"), "must be a JSON array"),
        (b"[]", "no records"),
        (b" [ ] ", "no records"),
        (b"[1]", "Record 0 is not"),
        (b"[{}, null]", "Record 1 is not"),
        (b"[[1], [2]]", "Record 0 is not"),
        (b'["{}"]', "Record 0 is not"),
        (b'[{"x": 1} {"x": 2}]', "Record 1 is not"),
        (b'[{"x": 1},,{"x": 2}]', "Record 1 is not"),
        (b'[,{"x": 1}]', "Record 0 is not"),
        (b'[{"x": 1},]', "Record 1 is not"),
        (b"[{}}]", "Record 1 is not"),
        (b'[{"x": 1}', "doesn't end"),
        (b'[{"x": 1', "doesn't end"),
        (b'[{"x": "1}]', "Record 0: "),
        (b"[{}] {}", "behind the array"),
        (b"[{}]]", "behind the array"),
        (b'[{"x": 1}, {"x": }]', "Record 1: "),
        (b"[{'x': 1}]", "Record 0: "),
        (b'[{"x": 1, "x": 2}]', "names the member 'x' twice"),
        (b'[{"x": [}]]', "Record 0: "),
        (b'[{"x": "\\ud800"}]', "Record 0: "),
        (b'[{"x": "\xff"}]', "Record 0: "),
        (b'[{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "Record 0: "),
        (b'[{"x": ' + b"9" * 5000 + b"}]", "Record 0: "),
    ],
)
def test_what_is_no_array_of_objects_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        split_records(body, 10)


def test_too_many_records_are_refused_before_the_others_are_read() -> None:
    with pytest.raises(PayloadTooLarge, match="more than 2 records"):
        split_records(b"[{},{},{},broken", 2)


def test_the_records_are_never_objects_all_at_once() -> None:
    """As Python objects, these records would take ten times as much."""
    body = json.dumps([{"flower_data": [7.1, 3.2, 4.7, 1.4]}] * 20_000).encode()
    tracemalloc.start()
    try:
        assert len(split_records(body, 20_000)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 3 * len(body)
    finally:
        tracemalloc.stop()


def _answer(**members: Any) -> bytes:
    return json.dumps(
        {"success": True, "errorMessage": "", "outputFiles": {}, "outputParameters": {}, **members}
    ).encode()


def test_an_answer_is_kept_as_it_came() -> None:
    body = _answer(outputParameters={"y": 2**70, "z": 10**2000})
    assert record_result(3, (200, body), ()).result == body


def test_files_are_taken_out_of_the_answer() -> None:
    written = {"a.bin": base64.b64encode(b"\x00\xff").decode(), "empty": "", "not written": None}
    kept = record_result(0, (200, _answer(outputFiles=written, outputParameters={"y": 2**70})), tuple(written))
    assert kept.files == {"a.bin": b"\x00\xff", "empty": b""}
    result = json.loads(kept.result)
    assert result["outputFiles"] == {}
    assert result["outputParameters"] == {"y": 2**70}


@pytest.mark.parametrize(
    ("outcome", "output_files", "message"),
    [
        ((400, b'{"message": "x is missing"}'), (), "x is missing"),
        (WorkerLost("The worker ended."), (), "The worker ended."),
        ((200, b"{junk"), (), "The worker's answer can't be read."),
        ((200, b'{"a": NaN}'), (), "The worker's answer can't be read."),
        ((200, b"[1]"), (), "The worker's answer can't be read."),
        ((200, b"[1]"), ("a",), "The worker's answer can't be read."),
        ((200, b'{"outputFiles": {"a": "!"}}'), ("a",), "The worker's answer can't be read."),
        ((200, b'{"outputFiles": {"a": 5}}'), ("a",), "The worker's answer can't be read."),
        ((200, b'{"outputFiles": null}'), ("a",), "The worker's answer can't be read."),
        ((200, b'{"outputFiles": {}, "x": NaN}'), ("a",), "The worker's answer can't be read."),
        ((500, b"junk"), (), "The worker's answer can't be read."),
        ((500, b"[]"), (), "The worker's answer can't be read."),
    ],
)
def test_a_record_without_an_answer_has_a_result_that_says_so(outcome: Any, output_files: Any, message: str) -> None:
    kept = record_result(7, outcome, output_files)
    assert (kept.position, kept.files) == (7, {})
    assert json.loads(kept.result) == {
        "success": False,
        "errorMessage": message,
        "consoleOutput": "",
        "changedFiles": [],
        "outputFiles": {},
        "outputParameters": {},
    }
