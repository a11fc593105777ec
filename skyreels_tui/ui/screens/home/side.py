"""The live panels beside the queue, in their order: a new panel is one more name here."""

from __future__ import annotations

from skyreels_tui.ui.panels.disk import DiskPanel
from skyreels_tui.ui.panels.gpu import GpuPanel
from skyreels_tui.ui.panels.memory import MemoryPanel
from skyreels_tui.ui.panels.preview import PreviewPanel
from skyreels_tui.ui.panels.progress import ProgressPanel
from skyreels_tui.ui.widgets.panel import Panel

JOB_PANELS: tuple[type[Panel], ...] = (ProgressPanel, PreviewPanel)
"""About the running job."""

FIGURE_PANELS: tuple[type[Panel], ...] = (MemoryPanel, GpuPanel, DiskPanel)
"""About the machine; on a narrow terminal they share one line."""
