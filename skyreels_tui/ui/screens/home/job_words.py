"""A job's facts as lines: when it ran, how far it is, what was asked for; knows no screen."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.errors import InvalidRequest
from pipelines.front.fields import Choice, FieldSpec, Files
from pipelines.front.language import tr
from pipelines.front.request import field_specs
from skyreels_tui.queue.model import Job
from skyreels_tui.ui.drawing.safe import column, plain, safe
from skyreels_tui.words.times import local, weekday

NAME_WIDTH = 18


def fact(name: str, value: str) -> Content:
    """One line: what it is, and its value."""
    return Content.assemble((f"{column(name, NAME_WIDTH - 1)} ", "$text-muted"), plain(value))


def moment_words(iso: str, form: str) -> str:
    """A UTC ISO time as local time, with its weekday."""
    moment = local(iso)
    return f"{weekday(moment)} {moment:{form}}"


def place_words(job: Job) -> str:
    """How far the job is: stage, piece and step."""
    if not job.stage:
        return tr("before it began")
    parts = [tr(job.stage)]
    if job.num_segments > 1:
        parts.append(tr("piece {number} of {total}", number=job.segment + 1, total=job.num_segments))
    if job.num_steps:
        parts.append(tr("step {number} of {total}", number=job.step, total=job.num_steps))
    return ", ".join(parts)


def request_lines(job: Job) -> list[Content]:
    """Every field of the request that says something; files one a line."""
    lines = []
    try:
        request = job.request
    except InvalidRequest as error:
        return [fact(tr("request"), str(error)), fact("", safe(job.request_json, 500))]
    for name, spec in field_specs(type(request)):
        value, label = getattr(request, name), tr(spec.label).lower()
        if isinstance(spec, Files):
            for index, path in enumerate(value):
                lines.append(fact(label if not index else "", path))
        elif isinstance(value, bool):
            lines += [fact(label, tr("yes"))] if value else []
        elif value not in ("", getattr(spec, "unsaid", "")):
            first, *rest = value_words(spec, value).split("\n")
            lines.append(fact(label, first))
            lines += [fact("", line) for line in rest]
    if request.profile == "demo":
        lines.append(fact(tr("models"), tr("demo: tiny, random weights, the result is noise")))
    return lines


def value_words(spec: FieldSpec, value: object) -> str:
    """The value of a field as a person reads it."""
    words = dict(spec.options) if isinstance(spec, Choice) else {}
    return tr(words[str(value)]) if str(value) in words else str(value)
