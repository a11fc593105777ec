"""Better words for prompts from an endpoint: asked for by a key, shown as a difference, taken or dropped one by one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import mark, tr
from skyreels_tui.films.prompting import AIM_WORDS, Agreed, Aim, Endpoint, PromptHelpFailed, ask_soon, endpoint_of
from skyreels_tui.ui.drawing.safe import plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import PROMPT_HELP, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.widgets.fields.text import PromptArea
from skyreels_tui.ui.widgets.form_looks import FORM_LOOKS
from skyreels_tui.ui.widgets.key_bar import KeyBar


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """One prompt and what it is for."""

    task: str
    prompt: str
    name: str = ""
    """Of its scene, where there are several."""


class PromptHelpScreen(Screen[list[str | None]]):
    """Answers with the new words of each prompt, None where it stays; nothing is sent before a yes to its address."""

    DEFAULT_CSS = FORM_LOOKS
    BINDINGS = bindings(PROMPT_HELP)

    def __init__(self, endpoint: Endpoint, agreed: Agreed, prompts: Sequence[AskedPrompt]) -> None:
        super().__init__()
        self._endpoint, self._agreed, self._prompts = endpoint, agreed, list(prompts)
        self._taken: list[str | None] = []
        self._aim: Aim | None = None
        self._asking = False

    def compose(self) -> ComposeResult:
        """What it is, the prompt or the difference, the words that can be changed, keys."""
        yield Static(Content(""), id="form-title")
        with VerticalScroll(id="form-fields", can_focus=False):
            yield Static(Content(""), id="prompt-difference")
            yield PromptArea("")
        yield Static(Content(""), id="form-help")
        yield KeyBar()

    def on_mount(self) -> None:
        """The first prompt."""
        self._show()

    @property
    def _now(self) -> AskedPrompt:
        return self._prompts[len(self._taken)]

    @property
    def _area(self) -> PromptArea:
        return self.query_one(PromptArea)

    def _show(self) -> None:
        parts: list[tuple[str, str] | str] = [(tr("Prompt help"), "bold $primary")]
        if len(self._prompts) > 1:
            place = f"   {len(self._taken) + 1}/{len(self._prompts)} {safe(self._now.name, 40)}"
            parts.append((place, "bold $accent"))
        parts.append((f"   {safe(self._endpoint.host, 60)}", "$text-muted"))
        show_in(self.query_one("#form-title", Static), Content.assemble(*parts))
        show_in(self.query_one("#prompt-difference", Static), plain(self._now.prompt))
        self._area.display = False
        keys = {name: hub(self).key(f"prompt-help.{name}") for name in ("translate", "enrich", "shots")}
        self._say(tr("{translate} translates to English, {enrich} enriches it for the task, {shots} splits it into "
                     "shots", **keys))  # fmt: skip
        self.refresh_bindings()
        if self._aim is not None:
            self._ask(self._aim)

    def _say(self, words: str, style: str = "$text-muted") -> None:
        show_in(self.query_one("#form-help", Static), Content.styled(safe(words, 300), style))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Words are taken once there are some."""
        return self._area.display if action == "take" and self.is_mounted else True

    # Asking

    def action_translate(self) -> None:
        """To English."""
        self._want(Aim.TRANSLATE)

    def action_enrich(self) -> None:
        """More words, fit for the task."""
        self._want(Aim.ENRICH)

    def action_shots(self) -> None:
        """Shots, one line each."""
        self._want(Aim.SHOTS)

    def _want(self, aim: Aim) -> None:
        if self._endpoint in self._agreed:
            self._ask(aim)
            return
        question = tr("Send prompts to {host}?", host=self._endpoint.host)
        detail = tr("Prompts go to {address} when you press such a key, and never by themselves.",
                    address=self._endpoint.address)  # fmt: skip

        def answered(sure: bool | None) -> None:
            if sure:
                self._agreed.add(self._endpoint)
                self._ask(aim)

        self.app.push_screen(ConfirmScreen(question, detail, yes=tr("Send them")), answered)

    def _ask(self, aim: Aim) -> None:
        self._aim = aim
        self._set_asking(True)
        self._say(tr("{host}: {aim} …", host=self._endpoint.host, aim=tr(AIM_WORDS[aim])))
        self._await(self._now, aim)

    def _set_asking(self, asking: bool) -> None:
        self._asking = asking
        self.refresh_bindings()

    @work(exclusive=True, group="prompt-help")
    async def _await(self, asked: AskedPrompt, aim: Aim) -> None:
        try:
            words = await ask_soon(self._endpoint, aim, asked.task, asked.prompt)
        except PromptHelpFailed as error:
            self._set_asking(False)
            self._say(str(error), "$text-error")
        else:
            self._set_asking(False)
            self._compare(asked.prompt, words)

    def _compare(self, before: str, after: str) -> None:
        show_in(self.query_one("#prompt-difference", Static), difference(before, after))
        area = self._area
        area.display = True
        area.replace(after, area.document.start, area.document.end)
        area.focus()
        keys = {name: hub(self).key(f"prompt-help.{name}") for name in ("take", "drop")}
        self._say(tr("{take} takes the words below as they stand, {drop} leaves the prompt as it is", **keys))
        self.refresh_bindings()

    # Answering

    def action_take(self) -> None:
        """These words, then the next prompt."""
        self._next(self._area.text)

    def key_label(self, action: str) -> str:
        """The way out stops asking first, and leaves where no new words stand yet."""
        if action != "drop":
            return ""
        return mark("Stop") if self._asking else "" if self._area.display else mark("Back")

    def action_drop(self) -> None:
        """Stop asking; then leave this prompt as it is, and go on to the next."""
        if self._asking:
            self.workers.cancel_group(self, "prompt-help")
            self._aim = None
            self._set_asking(False)
            self._say(tr("Stopped: the prompt is as it was"))
        elif self._area.display:
            self._next(None)
        else:
            self._taken += [None] * (len(self._prompts) - len(self._taken))
            self.dismiss(self._taken)

    def _next(self, words: str | None) -> None:
        self._taken.append(words)
        if len(self._taken) == len(self._prompts):
            self.dismiss(self._taken)
        else:
            self._show()


def difference(before: str, after: str) -> Content:
    """Old and new words in one text: what goes is struck out, what comes is underlined."""
    old, new = (re.findall(r"\S+|\n", safe(text, 4000, newlines=True)) for text in (before, after))
    parts: list[tuple[str, str] | str] = []
    for kind, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(" ".join(old[first:last]) + " ")
            continue
        if last > first:
            parts += [(" ".join(old[first:last]), "$text-error strike"), " "]
        if end > start:
            parts += [(" ".join(new[start:end]), "$text-success underline"), " "]
    return Content.assemble(*parts)


def ask_for_help(node: DOMNode, agreed: Agreed, prompts: Sequence[AskedPrompt]) -> PromptHelpScreen | None:
    """The screen for these prompts; None, and why, where prompt help is off or its key cannot be read."""
    app = hub(node)
    try:
        return PromptHelpScreen(endpoint_of(app.settings), agreed, prompts)
    except PromptHelpFailed as error:
        app.tell(str(error), "warning")
        return None
