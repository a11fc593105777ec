"""The checkpoints on this machine: what is here, what is missing; fetching, checking, removing, one's own folder."""

from __future__ import annotations

import shutil
from dataclasses import replace

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.checkpoints.damage import DAMAGE_FILE, DamageBook
from pipelines.checkpoints.download.hub import check_room, is_offline, plan_download
from pipelines.checkpoints.inventory import PRESENCE_WORDS, Presence
from pipelines.checkpoints.locate import hub_cache
from pipelines.checkpoints.prepared import prepared_from, remove_prepared
from pipelines.checkpoints.shelf import Shelved, removable, remove_checkpoint, shelf
from pipelines.front.errors import DiskFull, PipelineError
from pipelines.front.language import reason_of, tr
from pipelines.front.places import nearest_existing
from pipelines.tasks import TASKS
from skyreels_tui.downloads.elsewhere import TransferFile
from skyreels_tui.downloads.transfers import Transfer, TransferKind, Transfers, TransferState
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.model import FINISHED, Job
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import SettingsError
from skyreels_tui.ui.drawing.safe import cut, cut_path, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import MODELS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.screens.models.fetch import FetchScreen, Offer
from skyreels_tui.ui.screens.models.files import ModelFilesScreen
from skyreels_tui.ui.screens.models.folder import FolderScreen
from skyreels_tui.ui.turns import OPENING
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.transfer_words import status, transfer_lines
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import size

_LOOKS = {
    Presence.PRESENT: ("check", "$text-success"),
    Presence.PARTIAL: ("interrupted", "$text-warning"),
    Presence.MISSING: ("queued", "$text-muted"),
    Presence.CORRUPT: ("cross", "$text-error"),
}
NAME_WIDTH = 20
OTHERS_S = 1.0
"""Between two looks at what other windows fetch."""


class ModelList(RowList):
    """One row a checkpoint."""

    def __init__(self) -> None:
        super().__init__(id="model-list")
        self.models: tuple[Shelved, ...] = ()
        self.transfers: dict[str, Transfer] = {}
        """What is done to each family, here or in another window."""

    @property
    def selected(self) -> Shelved | None:
        """The checkpoint under the cursor."""
        return self.models[self.cursor] if self.models else None

    def count(self) -> int:
        """Checkpoints known."""
        return len(self.models)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Name, presence, sizes, and what is done to it now."""
        model, glyphs = self.models[index], hub(self).glyphs
        glyph, style = _LOOKS[model.presence]
        whole = size(model.checkpoint.num_bytes)
        have = whole if model.presence is Presence.PRESENT else tr("{part} of {whole}", part=size(model.num_bytes),
                                                                   whole=whole)  # fmt: skip
        transfer = self.transfers.get(model.checkpoint.family)
        doing, doing_style = status(transfer) if transfer is not None else ("", "")
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{model.checkpoint.title:<{NAME_WIDTH}} ", "bold"),
            (f"{getattr(glyphs, glyph):<2} {tr(PRESENCE_WORDS[model.presence]):<10}", style),
            f"{have:<21}",
            (cut(doing, max(4, width - NAME_WIDTH - 37)), doing_style),
        )

    def empty(self, width: int) -> Content:
        """While the folders are read."""
        return Content.styled(tr("Looking for models …"), "$text-muted")


class ModelsScreen(Screen[None]):
    """Nothing is fetched or removed without a question; transfers belong to the app and outlive this screen."""

    DEFAULT_CSS = """
    ModelsScreen {
        #model-list { height: 5; }
        #model-parts { height: auto; min-height: 3; max-height: 9; padding: 0 2; }
        #model-work { height: auto; max-height: 9; padding: 0 1; }
    }
    """
    BINDINGS = bindings(MODELS)

    def __init__(
        self,
        folders: Folders,
        settings: LiveSettings,
        transfers: Transfers,
        elsewhere: TransferFile,
        *,
        fetch: str = "",
    ) -> None:
        """`transfers` are those of this window, `elsewhere` tells those of others; `fetch` is asked for at once."""
        super().__init__()
        self._fetch = fetch
        self._book, self._cache = DamageBook(folders.state / DAMAGE_FILE), folders.cache
        self._prepared: dict[str, int] = {}
        """Bytes of the text encoders that are kept once more, by family."""
        self._settings, self._transfers, self._others = settings, transfers, elsewhere
        self._asking = ""
        """What the hub is being asked, or what it refused."""
        self._states: dict[str, TransferState] = {}
        self._elsewhere: tuple[Transfer, ...] = ()
        """What other windows do."""
        self._looks = 0
        """Looks at the folders begun so far: an older one may end after a newer one."""

    def compose(self) -> ComposeResult:
        """Title, list, parts of the selected one, its transfer, the keys."""
        yield Static(Content(""), id="models-title", classes="bar")
        yield ModelList()
        yield Static(Content(""), id="model-parts")
        yield Static(Content(""), id="model-work")
        yield KeyBar()

    def on_mount(self) -> None:
        """Look at the folders and follow the transfers."""
        hub(self).transfers_changed.subscribe(self, self._on_transfers)
        self.set_interval(OTHERS_S, self._look_elsewhere)
        self.query_one(ModelList).focus()
        self._look_elsewhere()
        self._look()

    # What is here

    def _look(self) -> None:
        self._looks += 1
        self._read_shelf(self._looks)

    @work(thread=True, exclusive=True, group="shelf")
    def _read_shelf(self, number: int) -> None:
        found = shelf(self._settings.now.models, damaged=self._book.damaged())
        cache = hub_cache()
        ready = {
            one.checkpoint.family: sum(file.num_bytes for file in prepared_from(self._cache, one.folder))
            for one in found
        }
        hand_over(self, self._show, number, found, ready, shutil.disk_usage(nearest_existing(cache)).free)

    def _show(self, number: int, found: tuple[Shelved, ...], ready: dict[str, int], free_bytes: int) -> None:
        if not self.is_mounted or number != self._looks:
            return
        self._prepared = ready
        models = self.query_one(ModelList)
        models.models = found
        models.refresh()
        families = [model.checkpoint.family for model in found]
        if self._fetch in families:
            models.cursor = families.index(self._fetch)
            self._fetch = ""
            self.call_after_refresh(self.action_download)
        room = tr("{size} free in {folder}", size=size(free_bytes), folder=cut_path(str(hub_cache()), 48))
        if is_offline():
            room = tr("offline: HF_HUB_OFFLINE is set, nothing can be fetched")
        title = Content.assemble((tr("Models"), "bold $primary"), "  ", plain(room, "$text-muted"))
        show_in(self.query_one("#models-title", Static), title)
        self._explain()

    def _look_elsewhere(self) -> None:
        self._elsewhere = self._others.others()
        self._on_transfers(hub(self).moving)

    def _on_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        # Of one checkpoint, what moves says more than what has ended, and this window more than another.
        both = sorted((*self._elsewhere, *transfers), key=lambda transfer: transfer.is_busy)
        moving = {transfer.family: transfer for transfer in both}
        if moving == self.query_one(ModelList).transfers:
            return
        self.query_one(ModelList).transfers = moving
        states = {family: transfer.state for family, transfer in moving.items()}
        if states != self._states:
            # What begins or ends changes what lies on the disk; bytes on their way are told by the transfer.
            self._states = states
            self._look()
        self.query_one(ModelList).refresh()
        self._show_work()

    @property
    def _model(self) -> Shelved | None:
        return self.query_one(ModelList).selected if self.is_mounted else None

    @property
    def _transfer(self) -> Transfer | None:
        model = self._model
        return None if model is None else self.query_one(ModelList).transfers.get(model.checkpoint.family)

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        self._asking = ""
        self._explain()

    def _explain(self) -> None:
        model = self._model
        if model is None:
            return
        lines = [
            Content.assemble(
                (f"{part.component.name:<18}", "$text-muted"),
                (f"{tr(PRESENCE_WORDS[part.presence]):<10}", _LOOKS[part.presence][1]),
                f"{size(part.component.num_bytes):<10}",
                plain(", ".join(_titles(part.component.tasks))),
            )
            for part in model.parts
        ]
        if ready := self._prepared.get(model.checkpoint.family, 0):
            lines.append(plain(tr("prepared weights  {size}", size=size(ready)), "$text-muted"))
        licence = f"{model.checkpoint.licence}: {model.checkpoint.licence_url}"
        lines.append(plain(licence, "$text-muted"))
        lines.append(plain(self._place(model), "$text-muted"))
        show_in(self.query_one("#model-parts", Static), Content("\n").join(lines))
        self._show_work()

    def _place(self, model: Shelved) -> str:
        width = max(20, self.size.width - 4)
        if model.is_own:
            return tr("your own folder: {folder}", folder=cut_path(str(model.folder), width - 20))
        return cut_path(str(model.folder), width) if model.folder else _command(model)

    def _show_work(self) -> None:
        transfer = self._transfer
        lines = [plain(self._asking, "$text-warning")] if self._asking else []
        if transfer is not None and not self._asking:
            lines = transfer_lines(transfer, max(20, self.size.width - 2), hub(self).glyphs)
        show_in(self.query_one("#model-work", Static), Content("\n").join(lines))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the selected checkpoint allows now."""
        if action in ("back", "app.quit"):
            return True
        model, transfer = self._model, self._transfer
        if model is None:
            return False
        busy = transfer is not None and transfer.is_busy
        own = transfer if transfer is not None and not transfer.elsewhere else None
        match action:
            case "pause":
                return own is not None and own.state in (TransferState.WAITING, TransferState.RUNNING)
            case "cancel":
                return own is not None and own.state is not TransferState.DONE
            case "download":
                return not busy and not model.is_own and model.presence is not Presence.PRESENT
            case "verify":
                return not busy and model.folder is not None
            case "use_cache":
                return not busy and model.is_own
            case "use":
                return not busy
            case "purge":
                return not busy and (model.is_own or model.num_bytes > 0)
        return True

    def _say(self, text: str) -> None:
        if self.is_mounted:
            self._asking = text
            self._show_work()

    # Fetching and checking

    def action_download(self) -> None:
        """Go on with what was stopped, or ask the hub what is missing, then ask the person."""
        model, transfer = self._model, self._transfer
        if model is None:
            return
        if transfer is not None and transfer.kind is TransferKind.DOWNLOAD and transfer.state is TransferState.PAUSED:
            self._transfers.go_on(transfer.family)
            return
        self._say(tr("Asking the hub what is missing …"))
        self._plan(model)

    @work(thread=True, exclusive=True, group=OPENING)
    def _plan(self, model: Shelved) -> None:
        try:
            plan = plan_download(model.checkpoint, damaged=self._book.damaged())
        except PipelineError as error:
            hand_over(self, self._say, str(error))
            return
        offers: list[Offer] = []
        choices: list[tuple[str, ...]] = [(), *((task,) for task in model.checkpoint.tasks)]
        for tasks in choices if len(choices) > 2 else choices[:1]:
            part = plan.only(model.checkpoint.components_for(*tasks)) if tasks else plan
            problem = ""
            try:
                check_room(part)
            except DiskFull as error:
                problem = str(error)
            offers.append(Offer(tasks, _titles(tasks), part, problem))
        hand_over(self, self._ask, FetchScreen(model.checkpoint, offers))

    def _ask(self, question: FetchScreen) -> None:
        if not self.is_current:
            # The screen was left meanwhile: a question nobody waits for would only stand in the way.
            return
        self._say("")

        def answered(offer: Offer | None) -> None:
            if offer is not None:
                family = question.checkpoint.family
                self._transfers.add(Transfer(TransferKind.DOWNLOAD, family, offer.tasks, offer.plan))

        self.app.push_screen(question, answered)

    def action_verify(self) -> None:
        """Read every file and compare it with its checksum, in the background."""
        model = self._model
        if model is not None and model.folder is not None:
            self._say("")
            self._transfers.add(Transfer(TransferKind.VERIFY, model.checkpoint.family, folder=model.folder))

    def action_pause(self) -> None:
        """Stop, and keep what came."""
        if self._transfer is not None:
            self._transfers.pause(self._transfer.family)

    def action_cancel(self) -> None:
        """Take it off the list; a begun download is asked about, because what came of unfinished files goes."""
        transfer, model = self._transfer, self._model
        if transfer is None or model is None:
            return
        transfers = self._transfers
        begun = transfer.kind is TransferKind.DOWNLOAD and transfer.moved is not None
        if not begun:
            transfers.cancel(transfer.family)
            return

        def answered(sure: bool | None) -> None:
            if sure:
                transfers.cancel(transfer.family)

        detail = tr("What came of files that are not whole is deleted. Whole files stay; X removes those too.")
        self.app.push_screen(
            ConfirmScreen(tr("Cancel this download?"), detail, yes=tr("Cancel the download")), answered
        )

    # Folders

    def action_files(self) -> None:
        """Show every file."""
        if self._model is not None:
            self.app.push_screen(ModelFilesScreen(self._model, self._book))

    def action_use(self) -> None:
        """Ask for a folder of one's own."""
        model = self._model
        if model is not None:
            self.app.push_screen(FolderScreen(model.checkpoint), lambda path: self._use(model, path or ""))

    def _use(self, model: Shelved, path: str) -> None:
        if path:
            self._save(model.checkpoint.family, path)

    def action_use_cache(self) -> None:
        """Go back to the shared cache."""
        if self._model is not None:
            self._save(self._model.checkpoint.family, "")

    def _save(self, family: str, path: str) -> None:
        before = self._settings.now
        kept = {name: folder for name, folder in before.models.items() if name != family}
        try:
            self._settings.change(replace(before, models={**kept, family: path} if path else kept))
        except SettingsError as error:
            self._say(str(error))
            return
        self._look()

    def action_purge(self) -> None:
        """Count what would go, then ask."""
        if self._model is not None:
            self._count(self._model)

    @work(thread=True, exclusive=True, group=OPENING)
    def _count(self, model: Shelved) -> None:
        hand_over(self, self._ask_purge, model, removable(model.checkpoint))

    def _ask_purge(self, model: Shelved, folders: tuple[tuple[object, int], ...]) -> None:
        if not self.is_current:
            return
        if not folders:
            self._say(tr("Nothing of it is in the shared cache, {folder}.", folder=hub_cache()))
            return
        total = sum(num_bytes for _, num_bytes in folders)
        lines = [tr("{size} in {folder}.", size=size(num_bytes), folder=folder) for folder, num_bytes in folders]
        lines.append(tr("Other models of the shared cache are not touched."))
        jobs = [f"{job.id} {cut(job.label, 20)}".rstrip() for job in hub(self).board.jobs if _needs(job, model)]
        if jobs:
            lines.append(tr("These jobs need it and will fail: {jobs}.", jobs=", ".join(jobs[:8])))

        def answered(sure: bool | None) -> None:
            if sure:
                self._remove(model)

        question = tr("Delete {size} of {model} for good?", size=size(total), model=model.checkpoint.title)
        self.app.push_screen(ConfirmScreen(question, " ".join(lines), yes=tr("Delete it")), answered)

    @work(thread=True, exclusive=True, group="plan")
    def _remove(self, model: Shelved) -> None:
        try:
            ready = prepared_from(self._cache, model.folder)
            words = tr("{size} freed", size=size(remove_checkpoint(model.checkpoint) + remove_prepared(ready)))
        except OSError as error:
            words = tr("{path} cannot be deleted: {why}", path=error.filename or "", why=reason_of(error))
        # What was deleted is no longer being fetched, whether or not somebody still looks.
        self._transfers.cancel(model.checkpoint.family)
        hand_over(self, self._removed, words)

    def _removed(self, words: str) -> None:
        self._say(words)
        self._look()

    def action_copy(self) -> None:
        """Copy the shell command."""
        if self._model is not None:
            self.app.copy_to_clipboard(_command(self._model))

    def action_back(self) -> None:
        """Back home."""
        self.dismiss()


def _titles(tasks: tuple[str, ...]) -> list[str]:
    return [tr(task.title) for task in TASKS if task.name in tasks]


def _command(model: Shelved) -> str:
    verb = "verify" if model.presence is Presence.PRESENT else "download"
    return f"skyreels-tui models {verb} {model.checkpoint.family}"


def _needs(job: Job, model: Shelved) -> bool:
    """Whether an unfinished job takes its weights from this checkpoint of the shared cache."""
    if job.state in FINISHED or job.task.family != model.checkpoint.family or job.request.profile != "full":
        return False
    return job.request.model_id in ("", *model.checkpoint.repo_ids)
