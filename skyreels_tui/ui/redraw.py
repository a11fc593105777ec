"""What a widget shows is changed here: its screen is laid out anew only where it takes another room than it has.

A layout asks every widget of a screen how large it is, which on a form takes longer than all else that a key changes.
"""

from __future__ import annotations

from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Static

from skyreels_tui.ui.internals import forget_size


def show_in(box: Static, content: VisualType) -> None:
    """Have a box show something else."""
    box.update(content, layout=False)
    draw_anew(box)


def draw_anew(widget: Widget) -> None:
    """Draw a widget anew whose content has changed, and lay out its screen if the content is of another size."""
    if _is_put_away(widget) or _fills_its_room(widget):
        # The room of another width, as after a change of the terminal's size, was asked for with what was shown then.
        forget_size(widget)
        widget.refresh()
    else:
        widget.refresh(layout=True)


def _is_put_away(widget: Widget) -> bool:
    """Whether it takes no room at all: a screen that shows it again is laid out for that."""
    return not all(one.display for one in widget.ancestors_with_self)


def _fills_its_room(widget: Widget) -> bool:
    """Whether the content takes as many columns and lines as the last layout gave it, where it decides about them."""
    room, styles = widget.content_size, widget.styles
    if not room:
        return False
    around = widget.container_size, widget.app.size
    return (not styles.is_auto_width or widget.get_content_width(*around) == room.width) and (
        not styles.is_auto_height or widget.get_content_height(*around, room.width) == room.height
    )
