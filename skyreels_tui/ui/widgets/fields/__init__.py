"""One widget a kind of field spec."""

from __future__ import annotations

from pathlib import Path

from pipelines.front.fields import Choice, FieldSpec, Files, Flag, Number, Regions, Text
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.choice import ChoiceField, FlagField
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.fields.number import NumberField
from skyreels_tui.ui.widgets.fields.regions import RegionsField
from skyreels_tui.ui.widgets.fields.text import LineField, PromptField


def make_field(name: str, spec: FieldSpec, value: object, *, demo: bool = False, downloads: Path = Path()) -> Field:
    """Return the widget for a spec; `demo` offers the demo models' choices besides.

    `downloads` is where files from the web are kept.
    """
    match spec:
        case Files():
            return FilesField(name, spec, value, downloads)
        case Number():
            return NumberField(name, spec, value)
        case Choice():
            return ChoiceField(name, spec, value, spec.options + (spec.demo_options if demo else ()))
        case Flag():
            return FlagField(name, spec, value)
        case Regions():
            return RegionsField(name, spec, value)
        case Text():
            return PromptField(name, spec, value) if spec.multiline else LineField(name, spec, value)
    raise TypeError(f"no widget for {type(spec).__name__}")
