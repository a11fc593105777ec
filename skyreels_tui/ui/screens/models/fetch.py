"""Asked before a checkpoint is fetched: which part, how much, under which licence, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from pipelines.checkpoints.download.hub import DownloadPlan
from pipelines.checkpoints.registry import Checkpoint
from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keyboard import fetch_scope
from skyreels_tui.ui.keys import bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.words.sizes import size


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be fetched."""

    tasks: tuple[str, ...]
    """Only what these need; everything for none."""
    titles: Sequence[str]
    plan: DownloadPlan
    problem: str
    """Why it cannot be begun, or ''."""

    @property
    def is_possible(self) -> bool:
        """Whether there is something to fetch and room for it."""
        return not self.problem and self.plan.missing_bytes > 0


class FetchScreen(Dialog[Offer | None]):
    """Answers with the offer that is taken, None for none."""

    BINDINGS = bindings(fetch_scope())
    DEFAULT_CSS = "FetchScreen > Vertical { width: 78; }"

    def __init__(self, checkpoint: Checkpoint, offers: Sequence[Offer]) -> None:
        self.checkpoint, self._offers = checkpoint, offers
        plan = offers[0].plan
        lines = [tr("{repo}, into {folder}", repo=plan.repo_id, folder=plan.cache), *plan.attempts]
        lines.append(tr("Fetching it accepts its licence, {licence}:", licence=checkpoint.licence))
        lines.append(checkpoint.licence_url)
        title = tr("Fetch {model}?", model=checkpoint.title)
        super().__init__(plain(title), Content("\n").join([plain(line) for line in lines]))

    def choices(self) -> Content:
        """Everything, or what one task needs; each with its bytes or why it is not possible."""
        lines = []
        for place, offer in enumerate(self._offers):
            what = tr("only for {tasks}", tasks=", ".join(offer.titles)) if offer.titles else tr("everything")
            missing = size(offer.plan.missing_bytes)
            text = tr("{what}: {size} to fetch", what=what, size=missing) if offer.plan.missing_bytes else tr(
                "{what}: here already", what=what)  # fmt: skip
            key = str(place) if place else "y"
            style = "bold $primary" if offer.is_possible else "$text-muted"
            lines.append(Content.assemble("\n", (f"{key:>6}", style), "  ", plain(text)))
            if offer.problem:
                lines.append(Content.assemble("\n        ", plain(offer.problem, "$text-error")))
        lines.append(Content.assemble("\n", (f"{'Esc':>6}", "bold $primary"), "  ", tr("fetch nothing")))
        return Content("").join(lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only offers that fit."""
        if action != "take":
            return True
        place = parameters[0]
        return isinstance(place, int) and place < len(self._offers) and self._offers[place].is_possible

    def action_take(self, place: int) -> None:
        """Fetch that."""
        self.dismiss(self._offers[place])

    def action_no(self) -> None:
        """Fetch nothing."""
        self.dismiss(None)
