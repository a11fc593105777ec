"""The language people read: every sentence of the program is looked up here, through gettext's catalogues.

The sentences in the code are English and stand in the catalogues as keys. What other programs read (JSON, names of
states and fields, exit codes, commands) is never translated.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DOMAIN = "skyreels-tui"
LOCALE_DIR = Path(__file__).with_name("locale")
"""Holds `pt_BR/LC_MESSAGES/skyreels-tui.po`, which people edit, and the `.mo` made from it."""
ENGLISH = "en"
LANGUAGES = (ENGLISH, "pt_BR")

_catalogue: gettext.NullTranslations = gettext.NullTranslations()
_chosen = ENGLISH


def choose(language: str, environ: Mapping[str, str] = os.environ) -> str:
    """Speak `language`, or that of the locale when it is empty; return the one chosen, English where none fits."""
    global _catalogue, _chosen
    wanted = language or _of_locale(environ)
    _chosen = next((name for name in LANGUAGES if name.split("_")[0] == wanted.split("_")[0].lower()), ENGLISH)
    _catalogue = gettext.translation(DOMAIN, LOCALE_DIR, [_chosen], fallback=True)
    return _chosen


def spoken() -> str:
    """The language that is spoken."""
    return _chosen


def use(catalogue: gettext.NullTranslations) -> None:
    """Speak through another catalogue, such as one that marks every sentence it was asked for."""
    global _catalogue
    _catalogue = catalogue


def tr(text: str, /, **values: object) -> str:
    """Return `text` in the chosen language, its `{name}` fields filled with `values` as str.format does."""
    # gettext answers the empty text with the catalogue's own header.
    found = _catalogue.gettext(text) if text else ""
    return found.format(**values) if values else found


def trn(one: str, many: str, count: int, /, **values: object) -> str:
    """Return the form for `count` things, with `{count}` and `values` filled in."""
    return _catalogue.ngettext(one, many, count).format(count=count, **values)


def mark(text: str) -> str:
    """Name a text for the catalogues that `tr` looks up later: for tables built when a module is imported."""
    return text


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Name a text with a plural for the catalogues; a library looks it up by itself."""
    return one, many


@contextmanager
def shared_with_libraries() -> Iterator[None]:
    """Meanwhile the libraries that ask gettext themselves find our catalogue and the chosen language.

    gettext takes the language from the environment, which is put back for the programs that we start.
    """
    before = os.environ.get("LANGUAGE")
    gettext.bindtextdomain(DOMAIN, str(LOCALE_DIR))
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = _chosen
    try:
        yield
    finally:
        if before is None:
            del os.environ["LANGUAGE"]
        else:
            os.environ["LANGUAGE"] = before


SYSTEM_WORDS = (
    mark("No such file or directory"), mark("Permission denied"), mark("Operation not permitted"), mark("File exists"),
    mark("Not a directory"), mark("Is a directory"), mark("Directory not empty"), mark("File name too long"),
    mark("Read-only file system"), mark("No space left on device"), mark("Disk quota exceeded"),
    mark("Input/output error"), mark("Invalid argument"), mark("Invalid cross-device link"),
    mark("Device or resource busy"),
    mark("Too many levels of symbolic links"), mark("Connection refused"), mark("Connection reset by peer"),
    mark("Network is unreachable"), mark("No route to host"), mark("Connection timed out"),
)  # fmt: skip
"""What the system says to a program that has set no locale of its own."""


def reason_of(error: OSError) -> str:
    """Return the system's reason in the chosen language, or the error as it is where it gives none."""
    return tr(error.strerror) if error.strerror else str(error)


def _of_locale(environ: Mapping[str, str]) -> str:
    """The first locale that is set, in the order the system's own programs read them."""
    names = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return ENGLISH
    # LANGUAGE is a list and counts only where a locale is set.
    return environ.get("LANGUAGE", "").partition(":")[0] or locale
