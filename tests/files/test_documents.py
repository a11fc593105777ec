"""A JSON or TOML text that somebody else wrote: whatever is wrong with it is one kind of error."""

from __future__ import annotations

import math

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


@pytest.mark.parametrize("text", ["= x", "a = " + "[" * 100_000, "a = 2020-13-45", "a = 01"], ids=lambda text: text[:9])
def test_toml_that_cannot_be_used(text):
    with pytest.raises(ValueError):
        read_toml(text)


LONG = {
    "decimal": "1" * 5000,
    "grouped": "1_" * 4400 + "1",
    "barely": "1" * 4301,
    "hex": "0x" + "f" * 5000,
    "barely hex": "0x" + "f" * 3501,
    "octal": "0o" + "7" * 5000,
    "binary": "0b" + "1" * 50_000,
}
PLACES = ["a = {}", "a={} # why", "[a]\nb = {}", "a = [1, {}]", "a = [\n{},\n]", "a.b = {}", "a = [{{b = {}}}]"]


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("place", PLACES)
def test_a_number_too_long_to_print_is_infinite_and_the_rest_is_read(kind, place):
    def numbers(value):
        if isinstance(value, dict | list):
            inside = value.values() if isinstance(value, dict) else value
            return [number for one in inside for number in numbers(one)]
        return [value]

    document = read_toml(f"before = 'x'\n{place.format(LONG[kind])}\n")
    assert document.pop("before") == "x"
    assert [number for number in numbers(document) if number != 1] == [math.inf]


def test_a_long_number_below_zero_and_long_text():
    assert read_toml("a = -" + "9" * 5000)["a"] == -math.inf
    assert read_toml(f"a = '{'9' * 5000}'\nb = '8 {'8' * 5000}'") == {"a": "9" * 5000, "b": "8 " + "8" * 5000}


def test_what_is_ordinary_is_read():
    assert read_json('{"a": [1, -2.5, true, null, "é"]}') == {"a": [1, -2.5, True, None, "é"]}
    assert read_json("9" * 4300) == int("9" * 4300)
    assert str(read_toml("a = 0x" + "f" * 3500)["a"])
    assert read_toml("a = 0xff\n[t]\nb = [1, 2]") == {"a": 255, "t": {"b": [1, 2]}}
