"""A person's settings: one frozen dataclass over a TOML file; knows nothing of screens or of the queue."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from pipelines.front.documents import read_toml
from pipelines.front.fields import Choice, FieldSpec, Flag, Number, Text, field_problem
from pipelines.front.language import mark, reason_of, tr
from skyreels_tui.settings.themes import theme_files

if TYPE_CHECKING:
    from skyreels_tui.settings.hours import Hours
    from skyreels_tui.settings.limits import QualityLimits

TABLES = ("defaults", "models", "keys")
"""Settings that are TOML tables and no form field."""
COMMAND_LINES = ("hook", "voice_command", "picture_command")
"""Settings that hold a command with its arguments; a file may give these as a list too."""
AT_START = ("result_dir", "inbox", "auto_resume", "memory_floor_gib", "keep_warm", "group_by_model",
            "cluster", "mouse", "colours")  # fmt: skip
"""Settings that are read once, when the engine or the screen starts; all others apply at once."""
CLUSTERS = r"local(:[1-9]\d?)?|[\w.-]+:\d{2,5}"
"""How workers are named: those of this machine, so many of them, or the head of a cluster."""
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file gave: usable settings, and a sentence for everything in it that was not usable."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    is_readable: bool = True
    """False where the file could not be read at all, and the settings are the defaults."""


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


def load(path: Path) -> Loaded:
    """Read settings from `path`; a missing file gives defaults, a wrong value its default and a warning."""
    try:
        document = read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Loaded(Settings())
    except (OSError, ValueError) as error:
        # Beyond what TOML forbids: a list in a thousand lists.
        words = tr("{path} is not readable and was left alone: {error}", path=path, error=why_unreadable(error))
        return Loaded(Settings(), (words,), is_readable=False)
    specs = dict(setting_specs())
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for key, value in document.items():
        if key in TABLES:
            problem = "" if _is_table(key, value) else tr("must be a table")
        elif key in specs:
            if key in COMMAND_LINES and isinstance(value, list) and all(isinstance(word, str) for word in value):
                value = shlex.join(value)
            value = _as_float(value) if _wants_float(specs[key]) and type(value) is int else value
            problem = setting_problem(key, value)
        else:
            warnings.append(tr("unknown setting {key!r} was ignored", key=key))
            continue
        if problem:
            warnings.append(tr("setting {key!r}: {problem}; its default is used", key=key, problem=problem))
        else:
            values[key] = value
    return Loaded(Settings(**values), tuple(warnings))


def why_unreadable(error: OSError | ValueError) -> str:
    """Say why a settings file is none: as the system says it, or as the parser does."""
    if isinstance(error, OSError):
        return reason_of(error)
    return tr("holds bytes that are no text (UTF-8)") if isinstance(error, UnicodeDecodeError) else str(error)


def waiting(before: Settings, now: Settings) -> tuple[str, ...]:
    """Return the names of settings that differ and that a running program takes over at its next start only."""
    names = [name for name, _ in setting_specs() if getattr(before, name) != getattr(now, name)]
    return tuple(name for name in names if name in AT_START or (name == "preview" and now.preview in ASKED_AT_START))


def setting_problem(name: str, value: object) -> str:
    """Return what is wrong with the value of a setting that a form shows, in words, or ''."""
    problem = field_problem(dict(setting_specs())[name], value)
    if isinstance(value, str) and value and not value.strip():
        return tr("holds only blanks: leave it empty, or fill it in")
    if not problem and name == "theme" and value and value not in theme_files():
        return tr("{value!r} is not offered: choose {names}", value=value, names=", ".join(theme_files()))
    if not problem and name == "webhook" and value and not str(value).startswith(("http://", "https://")):
        return tr("must begin with http:// or https://")
    if not problem and name == "prompt_endpoint" and value:
        return endpoint_problem(str(value))
    if not problem and name == "prompt_key" and value and not str(value).startswith(("env:", "file:")):
        return tr("names where the key is and is not the key: env:NAME or file:PATH")
    if not problem and name == "cluster" and value and not re.fullmatch(CLUSTERS, str(value)):
        return tr("must be empty, local, local:NUMBER or HOST:PORT")
    if not problem and name == "hours" and value:
        from skyreels_tui.settings.hours import parse_hours

        try:
            parse_hours(str(value))
        except ValueError as error:
            return str(error)
    return problem


def endpoint_problem(address: str) -> str:
    """Why prompts cannot be sent to an address, or ''."""
    try:
        parts = urlsplit(address.strip())
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        named, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not named or not address.isprintable() or " " in address.strip():
        return tr("must begin with http:// or https://")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return tr("holds a key or more than an address: the key has a setting of its own, prompt_key")
    return ""


def with_text(settings: Settings, key: str, text: str) -> Settings:
    """Return settings with one value read from `text` as typed; raises SettingsError in words.

    `key` is a setting, `models.FAMILY` or `defaults.TASK.FIELD`. An empty text removes a table entry.
    """
    table, _, rest = key.partition(".")
    if table in TABLES and rest:
        return _with_entry(settings, table, rest, text)
    specs = dict(setting_specs())
    if key not in specs:
        raise SettingsError(tr("no setting {key!r}: choose {names}", key=key, names=", ".join(specs)))
    value = parse_value(specs[key], text)
    problem = setting_problem(key, value)
    if problem:
        raise SettingsError(f"{key}: {problem}")
    changed: dict[str, Any] = {key: value}
    return dataclasses.replace(settings, **changed)


def parse_value(spec: FieldSpec, text: str) -> object:
    """Read a value as a person types it; what cannot be read comes back as text, for the check to refuse."""
    if isinstance(spec, Flag):
        word = text.strip().lower()
        if word in {"yes", "true", "on", "1"}:
            return True
        return False if word in {"no", "false", "off", "0"} else text
    if isinstance(spec, Number):
        try:
            return float(text) if spec.decimals else int(text)
        except ValueError:
            return text
    return text


def _wants_float(spec: FieldSpec) -> bool:
    return isinstance(spec, Number) and spec.decimals > 0


def _as_float(number: int) -> float:
    # A number beyond the largest float is beyond every range as well.
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _is_table(key: str, value: object) -> bool:
    if not isinstance(value, dict):
        return False
    if key == "keys":
        return all(_is_table("models", entry) for entry in value.values())
    kind = dict if key == "defaults" else str
    return all(isinstance(entry, kind) for entry in value.values())


def _with_entry(settings: Settings, table: str, rest: str, text: str) -> Settings:
    if table == "keys":
        # Whether there is such an action, and whether its key is free, is known where the keys are.
        place, _, name = rest.partition(".")
        keys = {**settings.keys.get(place, {}), name: text}
        keys = {name: key for name, key in keys.items() if key}
        places = {**settings.keys, place: keys}
        return dataclasses.replace(settings, keys={place: keys for place, keys in places.items() if keys})
    if table == "models":
        # Imported late, as below: only who names a family pays for the list of them.
        from pipelines.checkpoints.registry import CHECKPOINTS

        families = [checkpoint.family for checkpoint in CHECKPOINTS.values()]
        if rest not in families:
            raise SettingsError(tr("no family {name!r}: choose {names}", name=rest, names=", ".join(families)))
        models = {**settings.models, rest: text}
        return dataclasses.replace(settings, models={name: path for name, path in models.items() if path})
    # Imported late: the tasks open media files, which a plain read of the settings never needs.
    from pipelines.front.request import field_specs
    from pipelines.tasks import task_named

    task_name, _, name = rest.partition(".")
    try:
        specs = dict(field_specs(task_named(task_name).request_type))
    except KeyError as error:
        raise SettingsError(str(error.args[0])) from None
    if name not in specs:
        raise SettingsError(
            tr("{task} has no field {name!r}: choose {names}", task=task_name, name=name, names=", ".join(specs))
        )
    if text and (file := specs[name].belongs_to):
        raise SettingsError(tr("{entry}: is about the file in {file}, so it can be no default", entry=rest, file=file))
    fields = dict(settings.defaults.get(task_name, {}))
    fields.pop(name, None)
    if text:
        fields[name] = parse_value(specs[name], text)
        problem = field_problem(specs[name], fields[name])
        if problem:
            raise SettingsError(f"{rest}: {problem}")
    return dataclasses.replace(settings, defaults={**settings.defaults, task_name: fields})
