"""What is wrong with a value of a setting, in words for a person."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pipelines.front.fields import field_problem
from pipelines.front.language import tr
from skyreels_tui.settings.settings import setting_specs
from skyreels_tui.settings.themes import theme_files

CLUSTERS = r"local(:[1-9]\d?)?|[\w.-]+:\d{2,5}"
"""How workers are named: those of this machine, so many of them, or the head of a cluster."""


def setting_problem(name: str, value: object) -> str:
    """Return what is wrong with the value of a setting that a form shows, in words, or ''."""
    problem = field_problem(dict(setting_specs())[name], value)
    if isinstance(value, str) and value and not value.strip():
        return tr("holds only blanks: leave it empty, or fill it in")
    if not problem and name == "theme" and value and value not in theme_files():
        return tr("{value!r} is not offered: choose {names}", value=value, names=", ".join(theme_files()))
    if not problem and name == "webhook" and value and not str(value).startswith(("http://", "https://")):
        return tr("must begin with http:// or https://")
    if not problem and name == "prompt_endpoint" and value:
        return endpoint_problem(str(value))
    if not problem and name == "prompt_key" and value and not str(value).startswith(("env:", "file:")):
        return tr("names where the key is and is not the key: env:NAME or file:PATH")
    if not problem and name == "cluster" and value and not re.fullmatch(CLUSTERS, str(value)):
        return tr("must be empty, local, local:NUMBER or HOST:PORT")
    if not problem and name == "hours" and value:
        from skyreels_tui.settings.hours import parse_hours

        try:
            parse_hours(str(value))
        except ValueError as error:
            return str(error)
    return problem


def endpoint_problem(address: str) -> str:
    """Why prompts cannot be sent to an address, or ''."""
    try:
        parts = urlsplit(address.strip())
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        named, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not named or not address.isprintable() or " " in address.strip():
        return tr("must begin with http:// or https://")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return tr("holds a key or more than an address: the key has a setting of its own, prompt_key")
    return ""
