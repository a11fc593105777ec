"""The line under a file field that fetches web addresses, one after the other, and shows how far that is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from pipelines.front.errors import Cancelled, PipelineError
from pipelines.front.language import tr
from pipelines.media.remote.address import Media, host_of
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.words.sizes import size


class FetchLine(Static):
    """Runs at most one transfer on a thread of its own; leaving the form stops it."""

    DEFAULT_CSS = """
    FetchLine { display: none; height: auto; padding: 0 1; color: $text-primary; }
    FetchLine.-running { display: block; }
    """

    class Fetched(Message):
        """Everything is here."""

        def __init__(self, paths: Sequence[str]) -> None:
            self.paths = tuple(paths)
            super().__init__()

    class Failed(Message):
        """An address gave nothing usable; says why in words."""

        def __init__(self, words: str) -> None:
            self.words = words
            super().__init__()

    class Advanced(Message):
        """More bytes came."""

        def __init__(self, transfer: threading.Event, words: str) -> None:
            self.transfer, self.words = transfer, words
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """Only the newest figures are drawn."""
            return isinstance(message, FetchLine.Advanced)

    def __init__(self, media: Media, folder: Path) -> None:
        super().__init__(Content(""))
        self._media, self._folder = media, folder
        self._stop: threading.Event | None = None

    @property
    def running(self) -> bool:
        """Whether a transfer runs."""
        return self._stop is not None

    def start(self, addresses: Sequence[str]) -> None:
        """Begin; a transfer that runs goes on and this call does nothing."""
        if self._stop is not None:
            return
        self._stop = threading.Event()
        self._say(tr("Asking {host} …", host=host_of(addresses[0])))
        # No worker of Textual's: leaving the app would wait for a silent server.
        threading.Thread(target=self._run, args=(tuple(addresses), self._stop), daemon=True, name="fetch").start()

    def stop(self) -> None:
        """Give up; the thread ends at the next block, or when the server's silence has lasted too long."""
        if self._stop is not None:
            self._stop.set()
            self._end()

    def on_unmount(self) -> None:
        """The form was left."""
        if self._stop is not None:
            self._stop.set()

    def _run(self, addresses: tuple[str, ...], stop: threading.Event) -> None:
        from pipelines.media.remote.fetch import fetch

        paths = []
        try:
            for address in addresses:
                host = host_of(address)

                def watch(done: int, total: int | None, host: str = host) -> None:
                    if stop.is_set():
                        raise Cancelled
                    self._post(self.Advanced(stop, _words(host, done, total)))

                paths.append(str(fetch(address, self._media, self._folder, watch)))
        except Cancelled:
            return
        except (PipelineError, OSError) as error:
            if not stop.is_set():
                self._post(self.Failed(str(error)))
            return
        if not stop.is_set():
            self._post(self.Fetched(paths))

    def _post(self, message: Message) -> None:
        try:
            self.post_message(message)
        except RuntimeError:
            # The app has gone; so has everyone who would want to know.
            return

    def on_fetch_line_advanced(self, message: Advanced) -> None:
        """Draw the figures of the transfer that still runs."""
        if message.transfer is self._stop:
            self._say(message.words)

    def on_fetch_line_fetched(self) -> None:
        """The line goes; the field takes the files."""
        self._end()

    def on_fetch_line_failed(self) -> None:
        """The line goes; the field shows why."""
        self._end()

    def _end(self) -> None:
        self._stop = None
        self.set_class(False, "-running")
        self.screen.refresh_bindings()

    def _say(self, words: str) -> None:
        begins = not self.has_class("-running")
        show_in(self, Content(safe(words, 200) + "   " + tr("{key} stops", key=hub(self).key("files.stop_fetch"))))
        self.set_class(True, "-running")
        if begins:
            self.screen.refresh_bindings()


def _words(host: str, done: int, total: int | None) -> str:
    if total is None:
        return tr("{host}: {done} fetched", host=host, done=size(done))
    percent = 100 * done // max(1, total)
    return tr(
        "{host}: {done} of {total} fetched, {percent} %", host=host, done=size(done), total=size(total), percent=percent
    )
