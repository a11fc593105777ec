"""The base of the four requests: what every task asks for, as field specs."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast, get_args, get_origin, get_type_hints

from pipelines.front.documents import read_json
from pipelines.front.errors import Problem
from pipelines.front.fields import Choice, FieldSpec, Files, Flag, Number, Profile, Text, field_problem
from pipelines.front.gang import ALL_GPUS, gang_sizes
from pipelines.front.language import mark, tr
from pipelines.front.lora import MOST as MOST_LORAS

_SURROGATE = re.compile("[\ud800-\udfff]")


SEED = Number(
    label=mark("Seed"),
    help=mark("Same seed, same video on the same machine"),
    minimum=0,
    maximum=2**63 - 1,
    randomisable=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What every task asks for; subclasses add their inputs. Immutable: change with `dataclasses.replace`."""

    prompt: Annotated[str, Text(label=mark("Prompt"), multiline=True, required=True)] = ""
    resolution: Annotated[
        str,
        Choice(
            label=mark("Resolution"),
            options=(("480P", "480P"), ("540P", "540P"), ("720P", "720P")),
            demo_options=(("128P", "128P"),),
        ),
    ] = "720P"
    seed: Annotated[int, SEED] = 42
    offload: Annotated[
        bool,
        Flag(
            label=mark("Offload"), help=mark("Changes nothing on unified memory; kept for old scripts"), advanced=True
        ),
    ] = False
    low_vram: Annotated[
        bool,
        Flag(
            label=mark("Low VRAM"), help=mark("fp8 weights and block offload: less memory, approximate"), advanced=True
        ),
    ] = False
    quality: Annotated[
        str,
        Choice(
            label=mark("Precision"),
            help=mark("fast multiplies in 8 bits where the GPU can, fastest attends so too: approximate"),
            options=(
                ("exact", mark("exact")),
                ("fast", mark("fast (approximate)")),
                ("fastest", mark("fastest (more so)")),
            ),
            advanced=True,
        ),
    ] = "exact"
    exact_decode: Annotated[
        bool,
        Flag(
            label=mark("Decode in float32"),
            help=mark("Slower, more memory; a GPU otherwise decodes in half"),
            advanced=True,
        ),
    ] = False
    gpus: Annotated[
        str,
        Choice(
            label=mark("GPUs"),
            help=mark("Of this machine, for this one job; each holds the whole model"),
            options=(*((str(size), str(size)) for size in (1, *gang_sizes())), (ALL_GPUS, mark("all"))),
            unsaid="1",
            advanced=True,
        ),
    ] = "1"
    lora: Annotated[
        tuple[str, ...],
        Files(
            label=mark("LoRA"),
            help=mark("Trained changes of the model, merged when it loads; FILE:0.8 takes 0.8 of it"),
            media="lora",
            minimum=0,
            maximum=MOST_LORAS,
            advanced=True,
        ),
    ] = ()
    lora_partial: Annotated[
        bool,
        Flag(
            label=mark("LoRA in part"),
            help=mark("Take a LoRA file of which only some layers fit this model"),
            advanced=True,
        ),
    ] = False
    model_id: Annotated[
        str,
        Text(
            label=mark("Model"), help=mark("Empty: the released one. Else a folder or a repository id"), advanced=True
        ),
    ] = ""
    profile: Profile = "full"
    """'demo' runs tiny models with random weights; not a form field."""

    def check(self) -> list[Problem]:
        """Return every problem with this request, in form order; reads input files, never loads a model."""
        return check_fields(self)

    def together(self) -> list[Problem]:
        """Return which fields do not go together, in form order; opens no files."""
        return []

    def to_json(self) -> str:
        """Serialise all fields as one JSON object with sorted keys; the text is valid UTF-8."""
        values = dataclasses.asdict(self)
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        # Bytes of a file name that is not UTF-8 are lone surrogates: only escaped can they be stored.
        return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; unknown keys raise ValueError, missing ones take their defaults."""
        return cls.from_dict(read_json(text))

    @classmethod
    def refuse_unknown(cls, values: Mapping[str, Any]) -> None:
        """Raise ValueError for keys that are no field; whatever else is there, a request can be built of it."""
        if unknown := values.keys() - _field_names(cast(Any, cls)):
            raise ValueError(tr("unknown field {names}", names=", ".join(sorted(unknown))))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a request from plain values; lists become tuples, unknown keys raise ValueError."""
        cls.refuse_unknown(values)
        plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**plain)


def field_specs(request_type: type[Request]) -> Iterator[tuple[str, FieldSpec]]:
    """Yield (name, spec) for every field of a request that a form shows, in declaration order."""
    # A class is hashable whatever its instances are; type checkers ask the instances.
    return iter(_field_specs(cast(Any, request_type)))


@functools.cache
def _field_names(request_type: type[Request]) -> frozenset[str]:
    # Opening a queue reads the requests of thousands of jobs.
    return frozenset(field.name for field in dataclasses.fields(request_type))


@functools.cache
def _field_specs(request_type: type[Request]) -> tuple[tuple[str, FieldSpec], ...]:
    # Resolving the hints takes about a millisecond: too long for a list of thousands of jobs.
    hints = get_type_hints(request_type, include_extras=True)
    return tuple(
        (field.name, extra)
        for field in dataclasses.fields(request_type)
        if get_origin(hints[field.name]) is Annotated
        for extra in get_args(hints[field.name])[1:]
        if isinstance(extra, FieldSpec)
    )


def about_no_file(request_type: type[Request], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that may be defaults of a task: none of them is about one file alone."""
    about = {name for name, spec in field_specs(request_type) if spec.belongs_to}
    return {name: value for name, value in values.items() if name not in about}


def check_fields(request: Request) -> list[Problem]:
    """Check types, ranges and choices of every field against its spec, and which go together; does not open files."""
    problems = []
    for name, spec in field_specs(type(request)):
        message = field_problem(spec, getattr(request, name), request.profile)
        if not message and name == "gpus" and request.gpus != "1" and request.low_vram is True:
            message = tr("several GPUs each hold the whole model, Low VRAM does not: choose 1 GPU or turn Low VRAM off")
        if message:
            problems.append(Problem(name, message))
    return problems + request.together()
