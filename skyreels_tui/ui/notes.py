"""What an app says to the person before it, in the line above the keys: a message covers nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.notifications import Notification, Notify, SeverityLevel
from textual.screen import Screen

from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.internals import take_back


class Notes:
    """The messages of one app, each shown on the screen that it was said on, and on no other."""

    def __init__(self, app: App[Any], top: Callable[[], Screen[Any] | None]) -> None:
        """`top` is the screen on top, None where there is none."""
        self._app, self._top = app, top
        self._said: list[tuple[Screen[Any], Notification]] = []
        """With the screen that each was said on."""
        self._about: dict[str, Notification] = {}
        """The newest message about something of which the next one says how it is now."""

    def tell(self, text: str, severity: str, about: str) -> None:
        """Show a short message; never parsed as markup.

        It takes the place of one `about` the same, such as 'undo': what that says is no longer so.
        """
        # What a screen says while it closes belongs to the one below: by then that one is on top.
        self._app.call_later(self._tell, safe(text, 500), severity, about)

    def _tell(self, text: str, severity: str, about: str) -> None:
        app = self._app
        level: SeverityLevel = severity  # type: ignore[assignment]  # one of three words
        note = Notification(text, severity=level, timeout=app.NOTIFICATION_TIMEOUT, markup=False)
        if about:
            if (before := self._about.get(about)) is not None:
                self._said = [(screen, one) for screen, one in self._said if one is not before]
                take_back(app, [before])
            self._about[about] = note
        if (top := self._top()) is None:
            return
        self._said = [*self._fresh(), (top, note)]
        app.post_message(Notify(note))
        self.show()
        app.set_timer(app.NOTIFICATION_TIMEOUT + 0.1, self.show)

    def show(self) -> None:
        """Write what still counts into the line of the keys, where the screen has one."""
        if (top := self._top()) is None:
            return
        fresh = [(note.message, note.severity) for screen, note in self._fresh() if screen is top]
        for bar in top.query("KeyBar"):
            bar.show_notes(fresh)  # type: ignore[attr-defined]  # found by the name of its class

    def _fresh(self) -> list[tuple[Screen[Any], Notification]]:
        return [(screen, note) for screen, note in self._said if not note.has_expired]

    def change_screen(self, screen: Screen[Any]) -> None:
        """Show what was said on the screen that is on top now, and nothing else."""
        self._said = self._fresh()
        take_back(self._app, [note for place, note in self._said if place is not screen])
        for place, note in self._said:
            if place is screen:
                self._app.post_message(Notify(note))
        self.show()

    def remark(self, text: str) -> None:
        """Say in one dim line why a key has just done nothing, where the screen has a line for it."""
        for bar in top.query("KeyBar") if (top := self._top()) is not None else ():
            bar.say(text)  # type: ignore[attr-defined]  # found by the name of its class
