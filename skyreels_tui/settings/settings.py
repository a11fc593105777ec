"""A person's settings: one frozen dataclass, with the field that shows each; knows no file, no screen and no queue."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from pipelines.front.fields import Choice, FieldSpec, Flag, Number, Text
from pipelines.front.language import mark
from skyreels_tui.settings.themes import theme_files

if TYPE_CHECKING:
    from skyreels_tui.settings.hours import Hours
    from skyreels_tui.settings.limits import QualityLimits

TABLES = ("defaults", "models", "keys")
"""Settings that are TOML tables and no form field."""
AT_START = ("result_dir", "inbox", "auto_resume", "memory_floor_gib", "keep_warm", "group_by_model",
            "cluster", "mouse", "colours")  # fmt: skip
"""Settings that are read once, when the engine or the screen starts; all others apply at once."""
ASKED_AT_START = ("auto", "kitty", "sixel")
"""Previews for which the terminal must be asked before anything is drawn."""


class SettingsError(Exception):
    """A settings file or value that cannot be used, in words for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default; change with `dataclasses.replace` and `LiveSettings`."""

    result_dir: Annotated[
        str, Text(label=mark("Results folder"), help=mark("Finished videos; empty: one place for all of them"))
    ] = ""
    inbox: Annotated[
        str, Text(label=mark("Inbox folder"), help=mark("Batches dropped here are queued; empty turns it off"))
    ] = ""
    loras: Annotated[
        str, Text(label=mark("LoRA folder"), help=mark("Where a form looks for LoRA files; empty: this folder"))
    ] = ""
    auto_resume: Annotated[
        bool, Flag(label=mark("Resume by itself"), help=mark("Interrupted jobs go on when the program starts"))
    ] = False
    hang_up: Annotated[
        str,
        Choice(
            label=mark("When the terminal goes away"),
            options=(
                ("finish_queue", mark("finish the queue")),
                ("finish_job", mark("finish the running job")),
                ("stop", mark("stop at the next step")),
            ),
        ),
    ] = "finish_job"
    bell: Annotated[bool, Flag(label=mark("Bell"), help=mark("Ring the terminal when a job ends"))] = True
    desktop: Annotated[
        bool, Flag(label=mark("Desktop notification"), help=mark("Through the terminal, where it can"))
    ] = True
    window_title: Annotated[
        bool, Flag(label=mark("Window title"), help=mark("Percent and time left of the running job"), advanced=True)
    ] = True
    tab_progress: Annotated[
        bool, Flag(label=mark("Progress on the tab"), help=mark("Where the terminal draws it"), advanced=True)
    ] = True
    hook: Annotated[
        str,
        Text(
            label=mark("Hook command"),
            help=mark("Runs when a job ends; such as: sh -c 'notify-send \"$SKYREELS_TITLE\"'"),
            advanced=True,
        ),
    ] = ""
    webhook: Annotated[
        str,
        Text(
            label=mark("Webhook"),
            help=mark("Gets JSON when a job ends; such as: https://ntfy.example/my-videos"),
            advanced=True,
        ),
    ] = ""
    voice_command: Annotated[
        str,
        Text(
            label=mark("Voice command"),
            help=mark("Speaks the words of scenes: {voice} and {out} are filled in, the words are its input or {text}"),
            advanced=True,
        ),
    ] = ""
    picture_command: Annotated[
        str,
        Text(
            label=mark("Picture command"),
            help=mark("Draws a scene's reference: {out} is filled in, the prompt is its input or {text}"),
            advanced=True,
        ),
    ] = ""
    prompt_endpoint: Annotated[
        str,
        Text(
            label=mark("Prompt help"),
            help=mark("Address of a chat-completions interface, such as http://127.0.0.1:8080/v1; empty turns it off"),
            advanced=True,
        ),
    ] = ""
    prompt_model: Annotated[
        str,
        Text(label=mark("Model of prompt help"), help=mark("As the endpoint calls it; empty: its own"), advanced=True),
    ] = ""
    prompt_key: Annotated[
        str,
        Text(
            label=mark("Key of prompt help"),
            help=mark("Where it is, never the key itself: env:NAME, or file:PATH of mode 600; empty: none"),
            advanced=True,
        ),
    ] = ""
    preview: Annotated[
        str,
        Choice(
            label=mark("Preview"),
            options=(
                ("auto", mark("best the terminal shows")),
                ("cells", mark("coloured cells")),
                ("kitty", mark("Kitty pictures")),
                ("sixel", mark("Sixel pictures")),
                ("off", mark("off")),
            ),
        ),
    ] = "auto"
    theme: Annotated[
        str,
        Choice(
            label=mark("Theme"),
            options=(("", mark("the program's own")), *((name, name) for name in theme_files())),
            help=mark("The theme picker shows them"),
        ),
    ] = ""
    language: Annotated[
        str,
        Choice(
            label=mark("Language"), options=(("", mark("as the system")), ("en", "English"), ("pt_BR", "Português"))
        ),
    ] = ""
    ascii: Annotated[bool, Flag(label=mark("Plain letters"), help=mark("No symbols outside ASCII"))] = False
    memory_floor_gib: Annotated[
        float,
        Number(
            label=mark("Memory floor"),
            minimum=0,
            maximum=64,
            decimals=1,
            unit="GiB",
            help=mark("A running job stops at the next step when less is available"),
        ),
    ] = 8.0
    rest: Annotated[
        str,
        Choice(
            label=mark("Rest between steps"),
            help=mark("While the GPU is too hot, or heat or power slows its clocks"),
            options=(
                ("auto", mark("on a GB10 only")),
                ("on", mark("on")),
                ("off", mark("off")),
            ),
            advanced=True,
        ),
    ] = "auto"
    rest_above_c: Annotated[
        int,
        Number(
            label=mark("Too hot above"),
            minimum=50,
            maximum=110,
            unit="°C",
            help=mark("A rest ends six degrees below"),
            advanced=True,
        ),
    ] = 85
    fast_velocity: Annotated[
        float,
        Number(
            label=mark("Fast: velocity"),
            minimum=0,
            maximum=1,
            decimals=3,
            help=mark("Largest relative L2 of the first step for which `quality` passes"),
            advanced=True,
        ),
    ] = 0.1
    fast_psnr: Annotated[
        float,
        Number(
            label=mark("Fast: PSNR, dB"),
            minimum=0,
            maximum=100,
            decimals=1,
            help=mark("Least PSNR of the frames for which `quality` passes"),
            advanced=True,
        ),
    ] = 25.0
    fast_ssim: Annotated[
        float,
        Number(
            label=mark("Fast: SSIM"),
            minimum=0,
            maximum=1,
            decimals=3,
            help=mark("Least SSIM of the frames for which `quality` passes"),
            advanced=True,
        ),
    ] = 0.85
    keep_warm: Annotated[
        bool, Flag(label=mark("Keep models warm"), help=mark("Loaded models wait for the next job"))
    ] = True
    group_by_model: Annotated[
        bool,
        Flag(label=mark("Group by model"), help=mark("Jobs of the loaded model first; batches keep their order")),
    ] = False
    cluster: Annotated[
        str,
        Text(
            label=mark("Workers"),
            help=mark("Empty: one job at a time; local: one a GPU; HOST:PORT: those of a cluster"),
            advanced=True,
        ),
    ] = ""
    hours: Annotated[
        str,
        Text(label=mark("Hours"), help=mark("Jobs run only then, such as 22:00-07:00; empty: always"), advanced=True),
    ] = ""
    scp_host: Annotated[
        str,
        Text(
            label=mark("Host for scp"),
            help=mark("As your own machine calls this one, such as me@spark; empty: user and name of this machine"),
        ),
    ] = ""
    colours: Annotated[
        str,
        Choice(
            label=mark("Colours"),
            help=mark("SSH and tmux may hide how many the terminal has: say it here"),
            options=(
                ("auto", mark("as the terminal says")),
                ("truecolor", mark("16 million")),
                ("256", "256"),
                ("16", "16"),
                ("none", mark("none")),
            ),
            advanced=True,
        ),
    ] = "auto"
    mouse: Annotated[
        str,
        Choice(
            label=mark("Mouse"),
            help=mark("No: the terminal selects with it; wheel: it scrolls lists too, where the terminal can"),
            options=(("yes", mark("yes")), ("no", mark("no")), ("wheel", mark("wheel only"))),
            advanced=True,
        ),
    ] = "yes"
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Task name -> field name -> value that a new form or command line starts from."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Family of models -> checkpoint folder to use instead of the hub's cache."""

    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Place -> name of an action there -> its keys, comma-separated; doc/keys.md lists the names."""

    @property
    def inbox_folder(self) -> Path | None:
        """The inbox, or None while it is turned off."""
        return Path(self.inbox) if self.inbox.strip() else None

    @property
    def limits(self) -> QualityLimits:
        """How far an approximate video may be from the exact one."""
        from skyreels_tui.settings.limits import QualityLimits

        return QualityLimits(self.fast_velocity, self.fast_psnr, self.fast_ssim)

    @property
    def running_hours(self) -> Hours | None:
        """The hours in which jobs may run, or None for always."""
        from skyreels_tui.settings.hours import parse_hours

        return parse_hours(self.hours) if self.hours.strip() else None

    @property
    def runs_elsewhere(self) -> bool:
        """Whether a cluster runs the jobs: GPUs, memory and models of this machine say nothing of them."""
        return self.cluster.partition(":")[0] not in ("", "local")


@functools.cache
def setting_specs() -> tuple[tuple[str, FieldSpec], ...]:
    """Return (name, spec) of every setting that a form shows, in order."""
    # Resolving the hints takes milliseconds, and a start asks once a setting in the file.
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        (entry.name, extra)
        for entry in dataclasses.fields(Settings)
        if get_origin(hints[entry.name]) is Annotated
        for extra in get_args(hints[entry.name])[1:]
        if isinstance(extra, FieldSpec)
    )


def waiting(before: Settings, now: Settings) -> tuple[str, ...]:
    """Return the names of settings that differ and that a running program takes over at its next start only."""
    names = [name for name, _ in setting_specs() if getattr(before, name) != getattr(now, name)]
    return tuple(name for name in names if name in AT_START or (name == "preview" and now.preview in ASKED_AT_START))
