"""A transfer in words and bars: for the row, the lines below the list, and the home screen's first line."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from pipelines.checkpoints.download.meter import Moved
from pipelines.front.language import tr
from skyreels_tui.downloads.transfers import Transfer, TransferKind, TransferState
from skyreels_tui.ui.drawing.glyphs import Glyphs
from skyreels_tui.ui.drawing.safe import cut, cut_path, plain
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import duration, words

BAR_WIDTH = 20


def status(transfer: Transfer) -> tuple[str, str]:
    """One word or two, and their style."""
    percent = f" {transfer.moved.percent} %" if transfer.moved is not None else ""
    match transfer.state:
        case TransferState.WAITING:
            return tr("waits"), "$text-muted"
        case TransferState.RUNNING:
            verb = tr("fetching") if transfer.kind is TransferKind.DOWNLOAD else tr("checking")
            return verb + percent, "bold $primary"
        case TransferState.PAUSING:
            return tr("stopping …"), "$text-warning"
        case TransferState.PAUSED:
            return tr("paused") + percent, "$text-warning"
        case TransferState.FAILED:
            return tr("failed"), "$text-error"
        case TransferState.DONE:
            return tr("done"), "$text-success"


def transfer_lines(transfer: Transfer, width: int, glyphs: Glyphs) -> list[Content]:
    """Everything there is to say, a line each: the sum, what was said, the files in flight."""
    moved, word, style = transfer.moved, *status(transfer)
    head = Content.assemble((word, style))
    running = transfer.state is TransferState.RUNNING
    if running and moved is not None:
        head = Content.assemble(head, "  ", _sum(moved))
    lines = [head]
    if running and moved is not None and moved.trouble:
        lines.append(plain(tr("tries again: {trouble}", trouble=moved.trouble), "$text-warning"))
    if transfer.said:
        lines.append(plain(transfer.said, style if transfer.state is TransferState.FAILED else "$text-muted"))
    if transfer.elsewhere:
        lines.append(plain(tr("another window does this, and can stop it"), "$text-muted"))
    if transfer.state is TransferState.PAUSED:
        key = tr("Fetch goes on where it was; Cancel takes it off")
        if transfer.kind is not TransferKind.DOWNLOAD:
            key = tr("Verify begins again; Cancel takes it off")
        lines.append(plain(key))
    if running and moved is not None:
        lines += [_file(*entry, width, glyphs) for entry in moved.files]
    return lines


def home_line(transfers: Iterable[Transfer]) -> str:
    """What the home screen's first line says while something moves: 'model 34 % · 12 min', else ''."""
    for transfer in transfers:
        if transfer.state in (TransferState.RUNNING, TransferState.PAUSING):
            moved = transfer.moved
            if moved is None:
                return tr("model …")
            if moved.left_s is None:
                return tr("model {percent} %", percent=moved.percent)
            return tr("model {percent} % · {time}", percent=moved.percent, time=words(moved.left_s))
    return ""


def _sum(moved: Moved) -> str:
    parts = [tr("{part} of {whole}", part=size(moved.done_bytes), whole=size(moved.total_bytes))]
    if moved.rate:
        parts.append(f"{size(moved.rate)}/s")
    if moved.left_s is not None:
        parts.append(tr("left {time}", time=duration(moved.left_s)))
    return "  ".join(parts)


def _file(path: str, done: int, whole: int, width: int, glyphs: Glyphs) -> Content:
    share = done / max(1, whole)
    full = int(share * BAR_WIDTH)
    bytes_done = tr("{part} of {whole}", part=size(done), whole=size(whole))
    figures = f" {int(100 * share):>3} %  {bytes_done}"
    bar = Content.assemble((glyphs.bar_full * full, "$primary"), (glyphs.bar_empty * (BAR_WIDTH - full), "$text-muted"))
    room = max(12, width - BAR_WIDTH - 32)
    return Content.assemble(f"  {cut(cut_path(path, room), room):<{room}} ", bar, figures)
