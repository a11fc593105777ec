"""Settings as a person types them, in a shell or in a form."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipelines.front.fields import FieldSpec, Flag, Number, field_problem
from pipelines.front.language import tr
from skyreels_tui.settings.checks import setting_problem
from skyreels_tui.settings.settings import TABLES, Settings, SettingsError, setting_specs


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
