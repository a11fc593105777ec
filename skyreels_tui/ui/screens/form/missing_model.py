"""What a form says while its model is not on this machine: what is missing, how much that is, the keys that help."""

from __future__ import annotations

import shutil

from textual.content import Content
from textual.widgets import Static

from pipelines.checkpoints.locate import hub_cache
from pipelines.checkpoints.registry import Checkpoint
from pipelines.front.language import tr
from pipelines.front.places import nearest_existing
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.words.sizes import size


class MissingModel(Static):
    """Three lines, or none."""

    DEFAULT_CSS = """
    MissingModel { display: none; height: auto; padding: 0 1; margin: 0 0 1 0; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__(Content(""), id="form-checkpoint")

    def show(self, why: str, absent: Checkpoint | None, task: str, *, may_wait: bool) -> None:
        """Say why the model of a task cannot be used, '' when it can; with `may_wait` a job may be queued for it."""
        self.display = bool(why)
        if not why:
            return
        app = hub(self)
        demo = (app.key("form.profile"), tr("try it with tiny built-in models: the picture is noise"))
        if absent is None:
            show_in(self, Content("\n").join([plain(why, "$text-warning"), _keys(demo)]))
            return
        num_bytes = sum(part.num_bytes for part in absent.components_for(task))
        free = shutil.disk_usage(nearest_existing(hub_cache())).free
        much = tr("{size} to fetch, {free} free", size=size(num_bytes), free=size(free))
        if may_wait:
            much = tr("{size} to fetch, {free} free; a job queued now waits, then starts",
                      size=size(num_bytes), free=size(free))  # fmt: skip
        what = tr("The model of this task is not on this machine: {model}", model=absent.title)
        keys = _keys((app.key("form.fetch"), tr("fetch it")), demo)
        show_in(self, Content("\n").join([plain(what, "$text-warning"), plain(much), keys]))


def _keys(*entries: tuple[str, str]) -> Content:
    """Keys and what they do, in one line."""
    parts = [Content.assemble((key, "bold $primary"), " ", words) for key, words in entries]
    return Content("   ").join(parts)
