"""The Portuguese catalogue holds every sentence of the code, whole, and its compiled form is that of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from pipelines.front import language
from tests.i18n.pseudo import ROOT, sentences

PO = language.LOCALE_DIR / "pt_BR" / "LC_MESSAGES" / f"{language.DOMAIN}.po"
RENEW = "run `make translations`, then translate what is empty in pipelines/front/locale"


@pytest.fixture(scope="module")
def portuguese() -> Catalog:
    with PO.open("rb") as stream:
        return read_po(stream, locale="pt_BR")


def forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """A sentence's singular and plural, or its one form."""
    return (text,) if isinstance(text, str) else tuple(text)


def fields(text: str) -> list[str]:
    """The fields of a format text with their conversions, and those of argparse, in no order."""
    found = [f"{name}!{conversion}:{spec}" for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    return sorted([*found, *(word.strip("(),.") for word in text.split() if word.startswith("%"))])


def is_format(message: Message) -> bool:
    """False for the few sentences that show braces as they are, and are never formatted."""
    return "{...}" not in str(message.id) and "{{" not in str(message.id)


def test_every_sentence_is_translated(portuguese: Catalog) -> None:
    missing = [
        (message.id, sorted({place for place, _ in message.locations}))
        for message in sentences()
        if message.id and not ((found := portuguese.get(message.id)) and all(forms(found.string)) and not found.fuzzy)
    ]
    assert missing == [], RENEW


def test_the_catalogue_holds_nothing_else(portuguese: Catalog) -> None:
    named = {forms(message.id)[0] for message in sentences()}
    assert [message.id for message in portuguese if message.id and forms(message.id)[0] not in named] == [], RENEW


def test_translations_keep_the_fields(portuguese: Catalog) -> None:
    wrong = []
    for message in portuguese:
        # A singular may leave its number out; no form may ask for what is not given.
        for english, translated in zip(forms(message.id), forms(message.string), strict=True):
            if message.id and is_format(message) and fields(english) != fields(translated):
                wrong.append((english, translated))
    assert wrong == []


def test_the_compiled_catalogue_is_that_of_the_text(portuguese: Catalog) -> None:
    compiled = BytesIO()
    write_mo(compiled, portuguese)
    assert PO.with_suffix(".mo").read_bytes() == compiled.getvalue(), RENEW


def calls(path: Path) -> Iterator[tuple[ast.Call, bool]]:
    """Calls of tr, trn and mark in a file, and whether each stands inside an f-string."""

    def visit(node: ast.AST, inside: bool) -> Iterator[tuple[ast.Call, bool]]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "trn", "mark"):
            yield node, inside
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside or isinstance(node, ast.JoinedStr))

    yield from visit(ast.parse(path.read_text("utf-8")), False)


def test_extraction_sees_every_sentence() -> None:
    """An f-string as a sentence is never found in a catalogue, and a sentence inside one is never extracted."""
    hidden = []
    for package in ("skyreels_tui", "pipelines"):
        for path in (ROOT / package).rglob("*.py"):
            for call, inside in calls(path):
                texts = call.args[:2] if isinstance(call.func, ast.Name) and call.func.id == "trn" else call.args[:1]
                named = any(isinstance(text, ast.Constant) for text in texts)
                if (named and inside) or any(isinstance(text, ast.JoinedStr) for text in texts):
                    hidden.append((path.relative_to(ROOT).as_posix(), call.lineno))
    assert hidden == []
