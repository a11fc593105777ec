"""The live panels, in the order of their keys; imports none of them, so that a list of names costs nothing."""

from __future__ import annotations

from pipelines.front.language import mark
from skyreels_tui.ui.widgets.panel_spec import PanelSpec

_ROOM = "skyreels_tui.ui.panels"

PANELS: tuple[PanelSpec, ...] = (
    PanelSpec(
        "queue",
        f"{_ROOM}.queue:QueuePanel",
        "1",
        mark("Queue"),
        mark("Focus a panel; on small terminals it takes the lower half"),
        "queue",
    ),
    PanelSpec(
        "progress",
        f"{_ROOM}.progress:ProgressPanel",
        "2",
        mark("Progress"),
        mark("Focus the progress panel"),
        "job",
        footer=14,
    ),
    PanelSpec(
        "preview",
        f"{_ROOM}.preview:PreviewPanel",
        "3",
        mark("Preview"),
        mark("Focus the preview panel"),
        "job",
        footer=15,
    ),
    PanelSpec("memory", f"{_ROOM}.memory:MemoryPanel", "4", mark("Memory"), mark("Focus the memory panel"), "figures"),
    PanelSpec("gpu", f"{_ROOM}.gpu:GpuPanel", "5", mark("GPU"), mark("Focus the GPU panel"), "figures"),
    PanelSpec("disk", f"{_ROOM}.disk:DiskPanel", "6", mark("Disk"), mark("Focus the disk panel"), "figures"),
    PanelSpec("log", f"{_ROOM}.log:LogPanel", "7", mark("Log"), mark("Focus the log"), "log"),
)


def panel_named(name: str) -> PanelSpec:
    """Return the panel called `name`; KeyError names the ones there are."""
    for panel in PANELS:
        if panel.name == name:
            return panel
    raise KeyError(f"no panel {name!r}: there are {', '.join(panel.name for panel in PANELS)}")
