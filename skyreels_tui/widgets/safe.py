"""The one gate between text from outside and the terminal; knows nothing about where the text came from."""

from __future__ import annotations

from textual.content import Content

from skyreels_tui.safetext import LINE_LIMIT, safe

__all__ = ["LINE_LIMIT", "cut", "cut_path", "plain", "safe"]


def plain(text: str, style: str = "", limit: int = LINE_LIMIT) -> Content:
    """Return `text` made safe, as content that is never parsed as markup."""
    return Content.styled(safe(text, limit), style) if style else Content(safe(text, limit))


def cut(text: str, width: int) -> str:
    """Make `text` safe and shorten it to `width` cells, with … where something is missing."""
    content = Content(safe(text, max(width * 2, 8)))
    return content.truncate(width, ellipsis=True).plain if content.cell_length > width else content.plain


def cut_path(path: str, width: int) -> str:
    """Shorten a path from the left, so that the file name stays."""
    shown = safe(path, 4096)
    if Content(shown).cell_length <= width:
        return shown
    while shown and Content(shown).cell_length > width - 1:
        shown = shown[1:]
    return f"…{shown}"
