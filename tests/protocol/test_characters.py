"""Text that every encoding can carry, whatever it was made of."""

from __future__ import annotations

import os

import pytest

from jupyter_deployr.protocol.characters import shown_name, whole_text, whole_texts

# Text, as text, as a name.
TEXTS = [
    ("", "", ""),
    ("plain", "plain", "plain"),
    ("größe 花 😀\n\\", "größe 花 😀\n\\", "größe 花 😀\n\\"),
    ("x\ud800y", "x\ufffdy", "x\\ud800y"),
    ("\udfff", "\ufffd", "\\udfff"),
    ("ü\ud800", "ü\ufffd", "ü\\ud800"),
    ("\udc00\ud800", "\ufffd\ufffd", "\\udc00\\ud800"),
    ("\ud83d\ude00", "😀", "\\ud83d\\ude00"),
    (os.fsdecode(b"caf\xe9.csv"), "caf\ufffd.csv", "caf\\xe9.csv"),
    (os.fsdecode(b"\x80\xff"), "\ufffd\ufffd", "\\x80\\xff"),
    ("\udc7f\udd00", "\ufffd\ufffd", "\\udc7f\\udd00"),
]


@pytest.mark.parametrize(("text", "whole", "name"), TEXTS, ids=ascii)
def test_text_and_names_can_be_encoded(text: str, whole: str, name: str) -> None:
    assert (whole_text(text), shown_name(text)) == (whole, name)
    assert whole_text(text).encode().decode() == whole_text(text)
    assert shown_name(text).encode().decode() == shown_name(text)


def test_texts_are_found_wherever_they_are() -> None:
    document = {"\ud800": ["\ud800", ("ü", {"n": "\udc00"})], "n": 1.5, "none": None, "yes": True}
    assert whole_texts(document) == {"\ufffd": ["\ufffd", ["ü", {"n": "\ufffd"}]], "n": 1.5, "none": None, "yes": True}
