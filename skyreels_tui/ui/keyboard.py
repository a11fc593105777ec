"""Every key there is: the scopes of `keys`, with what tasks and panels bring; help and doc/keys.md show them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from pipelines.front.language import mark
from skyreels_tui.ui.keys import FETCH, FORM, HOME, SCOPES, Key, Scope, printed
from skyreels_tui.ui.panels import PANELS


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


def scopes() -> tuple[Scope, ...]:
    """Every place with keys of its own, in the order of the help; loads the panels, which bring theirs."""
    whole = {HOME: home_scope(), FORM: form_scope(), FETCH: fetch_scope()}
    own = tuple(keys for panel in PANELS if (keys := panel.load().KEYS) is not None)
    return (*(whole.get(scope, scope) for scope in SCOPES), *own)


def keys_markdown() -> str:
    """The page doc/keys.md."""
    lines = ["# Keys", "", "Written by `python -m skyreels_tui.ui.keyboard doc/keys.md`; do not edit by hand.", ""]
    for scope in scopes():
        lines += [f"## {scope.title}", "", "| key | does |", "|---|---|"]
        lines += [f"| {_names(key)} | {key.help} |" for key in scope.keys]
        lines.append("")
    return "\n".join(lines)


def _before(scope: Scope, action: str, keys: tuple[Key, ...]) -> Scope:
    place = next(index for index, key in enumerate(scope.keys) if key.action == action)
    return replace(scope, keys=(*scope.keys[:place], *keys, *scope.keys[place:]))


def _names(key: Key) -> str:
    return ", ".join(f"`{printed(name)}`" for name in key.keys.split(","))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(keys_markdown(), encoding="utf-8")
