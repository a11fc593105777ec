"""Every command by name: Textual's palette in the language of the app."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette
from textual.content import Content
from textual.widgets.option_list import Option

from pipelines.front.language import tr


class CommandScreen(CommandPalette):
    """Lists the commands of the screen below; typing narrows the list."""

    def __init__(self) -> None:
        super().__init__(placeholder=tr("Search for commands …"))

    def _start_no_matches_countdown(self, search_value: str) -> None:
        """Say that nothing fits; the words of the overridden method are English and cannot be set."""
        if search_value:
            words = Content.styled(tr("No command is called that."), "not bold $text-muted")
            self.query_one(CommandList).add_option(Option(words, disabled=True, id=self._NO_MATCHES))
            self._list_visible = True
