"""The keys that a person has chosen, from the settings into the app; knows nothing of single screens."""

from __future__ import annotations

from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.hub import HubApp


def use_keys(app: HubApp, before: Settings, now: Settings) -> None:
    """Use them from here on, and say which cannot be used."""
    if now.keys == before.keys:
        return
    # Loads every panel and task for their keys: paid by those who choose some.
    from skyreels_tui.ui.keyboard import chosen_keys

    chosen, problems = chosen_keys(now.keys)
    app.chosen_keys = chosen
    app.set_keymap(chosen)
    for problem in problems:
        app.tell(problem, "warning")
