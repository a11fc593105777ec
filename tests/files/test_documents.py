"""A JSON or TOML text that somebody else wrote: whatever is wrong with it is one kind of error."""

from __future__ import annotations

import pytest

from pipelines.front.documents import read_json, read_toml


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": }', "[" * 100_000, '{"a": ' * 50_000, "9" * 4301, "-" + "9" * 5000,
     '[1, {"a": 1' + "0" * 4400 + "}]"],
    ids=["nothing", "open", "no value", "deep list", "deep table", "long", "very long", "long inside"],
)  # fmt: skip
def test_json_that_cannot_be_used(text):
    for content in (text, text.encode()):
        with pytest.raises(ValueError):
            read_json(content)


def test_json_bytes_that_are_no_text():
    with pytest.raises(ValueError):
        read_json(b'{"a": "\xff\xfe"}')


@pytest.mark.parametrize(
    "text",
    ["= x", "a = " + "[" * 100_000, "a = " + "1" * 5000, "a = 0x" + "f" * 5000, "a = 0o" + "7" * 5000,
     "a = 0b" + "1" * 50_000, "[t]\na = [{b = -0x1" + "0" * 4000 + "}]", "a = 0x" + "f" * 3501, "a = 2020-13-45"],
    ids=["no key", "deep", "decimal", "hex", "octal", "binary", "inside", "barely", "date"],
)  # fmt: skip
def test_toml_that_cannot_be_used(text):
    with pytest.raises(ValueError):
        read_toml(text)


def test_what_is_ordinary_is_read():
    assert read_json('{"a": [1, -2.5, true, null, "é"]}') == {"a": [1, -2.5, True, None, "é"]}
    assert read_json("9" * 4300) == int("9" * 4300)
    assert str(read_toml("a = 0x" + "f" * 3500)["a"])
    assert read_toml("a = 0xff\n[t]\nb = [1, 2]") == {"a": 255, "t": {"b": [1, 2]}}
