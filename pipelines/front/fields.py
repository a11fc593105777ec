"""Field specs: declare what a form, a settings file and a command line must ask for, and check one value of each.

Loaded before the first paint, for the settings: what only one kind of field needs is imported where it is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.front.language import tr, trn

Profile = Literal["full", "demo"]
InputKind = Literal["image", "video", "audio", "lora"]
"""What a file is read as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """What every kind of field has: a label, a help line and whether it hides under 'More'."""

    label: str
    help: str = ""
    advanced: bool = False
    belongs_to: str = ""
    """The field whose file this is about: another file starts without it, and it is no default of a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(FieldSpec):
    """Free text."""

    multiline: bool = False
    required: bool = False
    lines: bool = False
    """Every line is an entry of its own; a file may hold them as a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions(FieldSpec):
    """Boxes over the picture of another field, an entry each: 'left,top,width,height' in per cent of it."""

    of: str
    """Name of the field with the picture."""
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(FieldSpec):
    """A number within [minimum, maximum]; whole numbers unless `decimals` is above 0."""

    minimum: float
    maximum: float
    decimals: int = 0
    unit: str = ""
    randomisable: bool = False
    """The form offers a key that draws a random value."""
    unsaid: float | None = None
    """The value that lists do not mention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(FieldSpec):
    """One of `options`, each a pair of stored value and shown word."""

    options: tuple[tuple[str, str], ...]
    demo_options: tuple[tuple[str, str], ...] = ()
    """Offered besides `options` when the request's profile is 'demo'."""
    unsaid: str = ""
    """The value that lists do not mention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(FieldSpec):
    """Yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files(FieldSpec):
    """Between `minimum` and `maximum` paths of one kind of media."""

    media: InputKind
    minimum: int = 1
    maximum: int = 1

    def file_of(self, entry: str) -> str:
        """The path in an entry: a LoRA file may have its strength behind it."""
        if self.media != "lora":
            return entry
        from pipelines.front.lora import file_of

        return file_of(entry)


def untouched(spec: FieldSpec, value: object) -> bool:
    """Whether a field about another one's file takes that file as it is: nothing to mention."""
    return isinstance(spec, Number | Choice) and bool(spec.belongs_to) and value == spec.unsaid


def field_problem(spec: FieldSpec, value: object, profile: Profile = "full") -> str:
    """Return what is wrong with one value, in words, or ''; does not open files."""
    match spec:
        case Text():
            if not isinstance(value, str):
                return tr("must be text")
            if spec.required and not value.strip():
                return tr("{label} is empty: say what the video shows", label=tr(spec.label))
            if any("\ud800" <= char <= "\udfff" for char in value):
                return tr("holds bytes that are no text (UTF-8)")
        case Regions():
            if not isinstance(value, str):
                return tr("must be text")
            from pipelines.front.regions import boxes_problem

            return boxes_problem(value, spec.maximum)
        case Number():
            return _number_problem(spec, value)
        case Choice():
            offered = spec.options + (spec.demo_options if profile == "demo" else ())
            values = [option for option, _ in offered]
            if value not in values:
                names = ", ".join(filter(None, values))
                return tr("{value!r} is not offered: choose {names}", value=value, names=names)
        case Flag():
            if not isinstance(value, bool):
                return tr("must be yes or no")
        case Files():
            return _files_problem(spec, value)
    return ""


def _number_problem(spec: Number, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return tr("{value!r} is not a number", value=value)
    if spec.decimals == 0 and (not isinstance(value, int)):
        return tr("{value} is not a whole number", value=value)
    if not spec.minimum <= value <= spec.maximum:
        unit = f" {spec.unit}" if spec.unit else ""
        return tr(
            "{value}{unit} is outside {minimum:g} to {maximum:g}{unit}",
            value=value,
            unit=unit,
            minimum=spec.minimum,
            maximum=spec.maximum,
        )
    return ""


def _files_problem(spec: Files, value: object) -> str:
    if not isinstance(value, tuple) or not all(isinstance(path, str) for path in value):
        return tr("must be a list of paths")
    if len(value) < spec.minimum:
        return _few_files(spec.media, len(value), spec.minimum)
    if len(value) > spec.maximum:
        return _many_files(spec.media, len(value), spec.maximum)
    if spec.media != "lora":
        return ""
    from pipelines.front.lora import entries_problem

    return entries_problem(value)


def _few_files(media: str, given: int, limit: int) -> str:
    # One sentence a kind: in other languages the words around a noun follow its gender.
    match media:
        case "image":
            return trn(
                "{given} given: needs at least {count} image file",
                "{given} given: needs at least {count} image files",
                limit,
                given=given,
            )
        case "video":
            return trn(
                "{given} given: needs at least {count} video file",
                "{given} given: needs at least {count} video files",
                limit,
                given=given,
            )
    return trn(
        "{given} given: needs at least {count} audio file",
        "{given} given: needs at least {count} audio files",
        limit,
        given=given,
    )


def _many_files(media: str, given: int, limit: int) -> str:
    match media:
        case "lora":
            return trn(
                "{given} given: at most {count} LoRA file",
                "{given} given: at most {count} LoRA files",
                limit,
                given=given,
            )
        case "image":
            return trn(
                "{given} given: at most {count} image file",
                "{given} given: at most {count} image files",
                limit,
                given=given,
            )
        case "video":
            return trn(
                "{given} given: at most {count} video file",
                "{given} given: at most {count} video files",
                limit,
                given=given,
            )
    return trn(
        "{given} given: at most {count} audio file",
        "{given} given: at most {count} audio files",
        limit,
        given=given,
    )
