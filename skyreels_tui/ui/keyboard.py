"""Every key there is: the scopes of `keys`, with what tasks and panels bring; help and doc/keys.md show them."""

from __future__ import annotations

import string
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from textual.keys import Keys

from pipelines.front.language import mark, tr
from skyreels_tui.ui.internals import key_of_character
from skyreels_tui.ui.keys import FETCH, FORM, HOME, SCOPES, Key, Scope, binding_id, printed
from skyreels_tui.ui.panels import PANELS

CHOOSE = (
    "Every key can be another one. In the settings file, under the name of the last column:",
    "",
    "```toml",
    "[keys]",
    'home.pause = "w"',
    'files.browse = "ctrl+e,f11"',
    "```",
    "",
    "The footer, the help and the list of commands show the chosen keys. One that another action of the same place has",
    "is refused by name, and the default stays. No default is Ctrl+B or Ctrl+A, which tmux and screen take.",
    "",
)


def home_scope() -> Scope:
    """The keys of home, a digit for each panel among them."""
    digits = tuple(
        Key(panel.key, panel.key, f"panel('{panel.name}')", panel.label, panel.help, panel.footer) for panel in PANELS
    )
    return _before(HOME, "fold", digits)


def form_scope() -> Scope:
    """The keys of the form, one for each task that has one among them."""
    # Not at the top: home's first paint needs no task.
    from pipelines.tasks import TASKS

    tasks = tuple(
        Key(task.key, printed(task.key), f"task('{task.name}')", task.key_label, task.key_help, 0, True)
        for task in TASKS
        if task.key
    )
    return _before(FORM, "next_task", tasks)


def fetch_scope() -> Scope:
    """The keys of the question before a fetch, a digit for each task that a checkpoint serves among them."""
    # Not at the top, for the same reason.
    from pipelines.checkpoints.registry import CHECKPOINTS

    most = max(len(checkpoint.tasks) for checkpoint in CHECKPOINTS.values())
    listed = sum(key.action.startswith("take(") for key in FETCH.keys)
    further = tuple(
        Key(
            str(place),
            str(place),
            f"take({place})",
            mark("Further task"),
            mark("Fetch only what the task listed with this digit needs"),
            place + 1,
        )
        for place in range(listed, most + 1)
    )
    return _before(FETCH, "no", further)


def scopes(chosen: Mapping[str, str] = MappingProxyType({})) -> tuple[Scope, ...]:
    """Every place with keys of its own, in the order of the help; loads the panels, which bring theirs.

    `chosen` has the keys of a person, as `chosen_keys` gives them.
    """
    whole = {HOME: home_scope(), FORM: form_scope(), FETCH: fetch_scope()}
    own = tuple(keys for panel in PANELS if (keys := panel.load().KEYS) is not None)
    return tuple(with_keys(scope, chosen) for scope in (*(whole.get(scope, scope) for scope in SCOPES), *own))


def with_keys(scope: Scope, chosen: Mapping[str, str]) -> Scope:
    """The place with the keys that a person has chosen for it."""
    return replace(scope, keys=tuple(_with_key(key, chosen.get(binding_id(scope, key), "")) for key in scope.keys))


def _with_key(key: Key, keys: str) -> Key:
    return replace(key, keys=keys, shown=printed(keys.split(",")[0])) if keys else key


def chosen_keys(wanted: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Return id of a binding -> its keys, for what can be used of the settings, and a sentence for all else."""
    known = {scope.name: scope for scope in scopes()}
    chosen: dict[str, str] = {}
    problems = []
    for place, names in wanted.items():
        for name, text in names.items():
            entry = f"keys.{place}.{name}"
            scope = known.get(place)
            found = next((key for key in scope.keys if key.name == name), None) if scope is not None else None
            if scope is None or found is None:
                problems.append(tr("{entry}: there is no such key; doc/keys.md lists all", entry=entry))
                continue
            keys = [normal(key) for key in text.split(",")]
            if problem := _unusable(found, keys):
                problems.append(f"{entry}: {problem}")
            else:
                chosen[binding_id(scope, found)] = ",".join(keys)
    while clash := _clash(tuple(known.values()), chosen):
        changed, key, other = clash
        problems.append(
            tr("keys.{name}: {key} is taken by {other}; its default is used",
               name=_setting_name(changed), key=printed(key), other=_setting_name(other))
        )  # fmt: skip
        del chosen[changed]
    return _with_companions(tuple(known.values()), chosen), problems


def normal(key: str) -> str:
    """A key as Textual names it, of one as a person may write it: 'Ctrl+S' -> 'ctrl+s', '?' -> 'question_mark'."""
    *modifiers, base = key.strip().split("+") if key.strip() != "+" else [key.strip()]
    if len(base) == 1:
        base = key_of_character(base) if not base.isalpha() else base
    else:
        base = _WRITTEN.get(base.lower(), base.lower())
    if modifiers and len(base) == 1:
        base = base.lower()
    return "+".join([*(modifier.lower() for modifier in modifiers), base])


_WRITTEN = {"esc": "escape", "del": "delete", "pgdn": "pagedown", "pgup": "pageup", "return": "enter"}
_MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")
_NAMES = {key.value for key in Keys if "+" not in key.value and not key.value.startswith("<")}


def _unusable(key: Key, keys: list[str]) -> str:
    for name in keys:
        *modifiers, base = name.split("+")
        if not (len(base) == 1 or base in _NAMES or base in _SYMBOLS) or not set(modifiers) <= set(_MODIFIERS):
            return tr("{key} is no key", key=name or "''")
        if key.priority and not modifiers and (len(base) == 1 or base in _SYMBOLS or base == "space"):
            return tr("{key} could not be typed any more; choose one with Ctrl or a function key", key=printed(name))
    return ""


_SYMBOLS = {key_of_character(symbol) for symbol in string.punctuation}
COMPANY = {"form": ("files", "fields")}
"""Places that take keys at the same time, besides those that are always there."""
ALWAYS_THERE = ("everywhere", "list")


def _clash(places: tuple[Scope, ...], chosen: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The first key that a person has chosen and another action has: whose it would be, the key, the other."""
    now = {scope.name: with_keys(scope, chosen) for scope in places}
    usual = {scope.name: scope for scope in places}
    for changed in chosen:
        place = changed.partition(".")[0]
        together = {place, *ALWAYS_THERE, *COMPANY.get(place, ())}
        together |= {name for name, others in COMPANY.items() if place in others}
        if place in ALWAYS_THERE:
            together = set(now)
        index = [binding_id(usual[place], key) for key in usual[place].keys].index(changed)
        before = set(usual[place].keys[index].keys.split(","))
        mine = set(now[place].keys[index].keys.split(","))
        for name in now:
            if name not in together:
                continue
            for other, usual_other in zip(now[name].keys, usual[name].keys, strict=True):
                its_id = binding_id(usual[name], usual_other)
                # Two that share their key by default are never there at once.
                if its_id == changed or before & set(usual_other.keys.split(",")):
                    continue
                if both := mine & set(other.keys.split(",")):
                    return changed, min(both), its_id
    return None


def _with_companions(places: tuple[Scope, ...], chosen: dict[str, str]) -> dict[str, str]:
    """Textual takes a key away from all that share it when one of them moves: the others are named as they are."""
    whole = dict(chosen)
    for scope in places:
        moved = {name for key in scope.keys if binding_id(scope, key) in chosen for name in key.keys.split(",")}
        for key in scope.keys:
            if moved & set(key.keys.split(",")):
                whole.setdefault(binding_id(scope, key), key.keys)
    return whole


def _setting_name(binding: str) -> str:
    place, _, action = binding.partition(".")
    return f"{place}.{Key('', '', action, '', '').name}"


def keys_markdown() -> str:
    """The page doc/keys.md."""
    written = "Written by `python -m skyreels_tui.ui.keyboard doc/keys.md`; do not edit by hand."
    lines = ["# Keys", "", written, "", *CHOOSE]
    for scope in scopes():
        lines += [f"## {scope.title}", "", "| key | does | name in the settings |", "|---|---|---|"]
        lines += [f"| {_names(key)} | {key.help} | `{scope.name}.{key.name}` |" for key in scope.keys]
        lines.append("")
    return "\n".join(lines)


def _before(scope: Scope, action: str, keys: tuple[Key, ...]) -> Scope:
    place = next(index for index, key in enumerate(scope.keys) if key.action == action)
    return replace(scope, keys=(*scope.keys[:place], *keys, *scope.keys[place:]))


def _names(key: Key) -> str:
    return ", ".join(f"`{printed(name)}`" for name in key.keys.split(","))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(keys_markdown(), encoding="utf-8")
