"""The checkpoints on this machine: what is here, what is missing, fetching it when asked, checking it."""

from __future__ import annotations

import threading

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.checkpoints.inventory import Presence
from pipelines.checkpoints.shelf import Shelved, shelf
from pipelines.errors import Cancelled, PipelineError
from pipelines.tasks import TASKS
from skyreels_tui.hub import hub
from skyreels_tui.keys import MODELS, bindings
from skyreels_tui.screens.confirm import ConfirmScreen
from skyreels_tui.settings_host import settings_host
from skyreels_tui.widgets.keybar import KeyBar
from skyreels_tui.widgets.rowlist import RowList
from skyreels_tui.widgets.safe import plain, safe
from skyreels_tui.widgets.times import duration, size

_LOOKS = {
    Presence.PRESENT: ("check", "$text-success"),
    Presence.PARTIAL: ("interrupted", "$text-warning"),
    Presence.MISSING: ("queued", "$text-muted"),
    Presence.CORRUPT: ("failed", "$text-error"),
}


class ModelList(RowList):
    """One row a checkpoint."""

    def __init__(self) -> None:
        super().__init__(id="model-list")
        self.models: tuple[Shelved, ...] = ()

    @property
    def selected(self) -> Shelved | None:
        """The checkpoint under the cursor."""
        return self.models[self.cursor] if self.models else None

    def count(self) -> int:
        """Checkpoints known."""
        return len(self.models)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Name, presence, sizes."""
        model, glyphs = self.models[index], hub(self).glyphs
        glyph, style = _LOOKS[model.presence]
        name = model.checkpoint.repo_ids[0].split("/")[-1]
        whole = size(model.checkpoint.num_bytes)
        have = whole if model.presence is Presence.PRESENT else f"{size(model.num_bytes)} of {whole}"
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{name:<24}", "bold"),
            (f"{getattr(glyphs, glyph)} {model.presence.value:<9}", style),
            have,
        )

    def empty(self, width: int) -> Content:
        """While the folders are read."""
        return Content.styled("Looking for checkpoints …", "$text-muted")


class ModelsScreen(Screen[None]):
    """Nothing is fetched without a question; a stopped transfer goes on where it stopped."""

    BINDINGS = bindings(MODELS)

    def __init__(self) -> None:
        super().__init__()
        self._stop = threading.Event()
        self._busy = ""

    def compose(self) -> ComposeResult:
        """Title, list, parts of the selected one, the transfer's line."""
        yield Static(Content.styled("Models", "bold $primary"), classes="bar")
        yield ModelList()
        yield Static(Content(""), id="model-parts", classes="explain")
        yield Static(Content(""), id="model-work", classes="bar")
        yield KeyBar()

    def on_mount(self) -> None:
        """Look at the folders."""
        self.query_one(ModelList).focus()
        self._look()

    def on_unmount(self) -> None:
        """A transfer ends with the screen; what came stays."""
        self._stop.set()

    @work(thread=True, exclusive=True, group="shelf")
    def _look(self) -> None:
        found = shelf(settings_host(self).settings.models)
        self.app.call_from_thread(self._show, found)

    def _show(self, found: tuple[Shelved, ...]) -> None:
        if self.is_mounted:
            models = self.query_one(ModelList)
            models.models = found
            models.refresh()
            self._explain()

    @on(RowList.Moved)
    def _explain(self) -> None:
        model = self.query_one(ModelList).selected
        if model is None:
            return
        lines = [
            Content.assemble(
                (f"{part.component.name:<18}", "$text-muted"),
                f"{part.presence.value:<9}",
                size(part.component.num_bytes),
            )
            for part in model.parts
        ]
        tasks = [task.title for task in TASKS if task.family == model.checkpoint.family]
        lines.append(plain(f"for {', '.join(tasks)} · {model.checkpoint.licence}: {model.checkpoint.licence_url}"))
        lines.append(plain(str(model.folder) if model.folder else _command(model), "$text-muted"))
        self.query_one("#model-parts", Static).update(Content("\n").join(lines))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the selected checkpoint allows now."""
        model = self.query_one(ModelList).selected if self.is_mounted else None
        if action == "stop":
            return bool(self._busy)
        if action == "download":
            return model is not None and not self._busy and model.presence is not Presence.PRESENT
        if action == "verify":
            return model is not None and not self._busy and model.folder is not None
        return True

    def _say(self, text: str, *, busy: bool = True) -> None:
        if self.is_mounted:
            self._busy = text if busy else ""
            self.query_one("#model-work", Static).update(plain(text))
            self.refresh_bindings()

    # Fetching

    def action_download(self) -> None:
        """Ask the hub what is missing, then ask the person."""
        model = self.query_one(ModelList).selected
        if model is not None:
            self._stop.clear()
            self._say("Asking the hub what is missing …")
            self._plan(model)

    @work(thread=True, exclusive=True, group="transfer")
    def _plan(self, model: Shelved) -> None:
        from pipelines.checkpoints.hub import check_room, plan_download

        try:
            plan = plan_download(model.checkpoint)
            check_room(plan)
        except PipelineError as error:
            self.app.call_from_thread(self._say, str(error), busy=False)
            return
        detail = (
            f"{plan.repo_id}: {size(plan.missing_bytes)} to fetch into {plan.folder.parent.parent}. "
            f"{model.checkpoint.licence}: {model.checkpoint.licence_url}"
        )

        def answered(sure: bool | None) -> None:
            if sure:
                self._fetch(plan)
            else:
                self._say("", busy=False)

        question = ConfirmScreen("Download this checkpoint?", detail, yes="Download, and accept its licence")
        self.app.call_from_thread(self.app.push_screen, question, answered)

    @work(thread=True, exclusive=True, group="transfer")
    def _fetch(self, plan: object) -> None:
        from pipelines.checkpoints.fetch import download
        from pipelines.checkpoints.hub import DownloadPlan
        from pipelines.checkpoints.meter import Moved

        assert isinstance(plan, DownloadPlan)

        def tell(progress: Moved) -> None:
            if self._stop.is_set():
                raise Cancelled
            share = 100 * progress.done_bytes // max(1, progress.total_bytes)
            words = "checking" if progress.checking else f"{size(progress.rate)}/s, {duration(progress.left_s)} left"
            line = f"{share} %  {size(progress.done_bytes)} of {size(progress.total_bytes)}  {words}  c stops"
            self.app.call_from_thread(self._say, line)

        try:
            download(plan, tell)
        except Cancelled:
            end = "Stopped. What came stays; w goes on."
        except PipelineError as error:
            end = str(error)
        else:
            end = "Complete."
        self.app.call_from_thread(self._say, end, busy=False)
        self.app.call_from_thread(self._look)

    def action_stop(self) -> None:
        """Stop the transfer or the check."""
        self._stop.set()

    # Checking

    def action_verify(self) -> None:
        """Read every file and compare it with its checksum."""
        model = self.query_one(ModelList).selected
        if model is not None:
            self._stop.clear()
            self._say("Checking …")
            self._verify(model)

    @work(thread=True, exclusive=True, group="transfer")
    def _verify(self, model: Shelved) -> None:
        from pipelines.checkpoints.verify import Finding, verify

        assert model.folder is not None

        def tell(path: str, num_bytes: int) -> None:
            if self._stop.is_set():
                raise Cancelled

        wrong, seen = [], 0
        try:
            for check in verify(model.folder, model.checkpoint.components, tell=tell):
                seen += 1
                wrong += [check] if check.finding is not Finding.OK else []
                self.app.call_from_thread(self._say, f"Checking: {seen} files, {len(wrong)} wrong; {check.path}")
        except Cancelled:
            self.app.call_from_thread(self._say, "Stopped.", busy=False)
            return
        end = f"{seen} files, all as they should be." if not wrong else f"{wrong[0].path}: {wrong[0].detail}"
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        self.app.call_from_thread(self._say, end + more, busy=False)

    def action_copy(self) -> None:
        """Copy the shell command."""
        model = self.query_one(ModelList).selected
        if model is not None:
            self.app.copy_to_clipboard(_command(model))
            self.app.notify(f"Copied: {safe(_command(model))}", markup=False)

    def action_back(self) -> None:
        """Back home."""
        self.dismiss()


def _command(model: Shelved) -> str:
    verb = "verify" if model.presence is Presence.PRESENT else "download"
    return f"skyreels-tui models {verb} {model.checkpoint.family}"
