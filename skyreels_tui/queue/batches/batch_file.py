"""Batch files: a list of jobs as JSON or Markdown, read whole or not at all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.fields import FieldSpec, Files, Flag, Number, Regions, Text
from pipelines.front.language import reason_of, tr, trn
from pipelines.front.request import Request, field_specs
from pipelines.media.remote.address import is_address
from pipelines.tasks import TASKS, task_named
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.requests.references import check_request, token_name
from skyreels_tui.requests.typed_paths import bare, split_list
from skyreels_tui.words.sizes import size

_YES = frozenset({"true", "yes", "sim", "on", "1"})
_NO = frozenset({"false", "no", "não", "nao", "off", "0"})
_PLAIN = ("label", "task_type", "profile")
LIMIT_BYTES = 16 << 20
"""A larger file is no list of jobs, or has no end."""
MOST_JOBS = 10_000
"""In one file."""
MOST_LINES = 2000
"""Of one section of a Markdown file; a line that continues a value copies what stands before it."""
_MOST_PROBLEMS = 1000
_MOST_COMMAS = 50 * MOST_JOBS
"""Every value after the first of its list follows one: what has more would fill the memory once it is read."""

RawEntry = Mapping[str, Any]
"""One entry as it stands in the file."""


def read_batch(path: Path, *, name: str = "") -> list[NewJob]:
    """Read and check a batch file; its name is `name`, a Markdown title, or the file's stem.

    Relative paths start at the file's folder. Raises InvalidRequest with every problem of the file; a problem's
    field reads 'entry 3 (line-02).prompt'.
    """
    return parse_batch(read_text(path), path, name=name)


def read_text(path: Path) -> str:
    """Read a batch file's text; raises InvalidRequest for what cannot be one."""
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise InvalidRequest(
                [Problem("file", tr("{path} is larger than {limit}: no batch", path=path, limit=size(LIMIT_BYTES)))]
            )
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InvalidRequest([Problem("file", f"{path}: {reason_of(error)}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest([Problem("file", tr("{path} is no UTF-8 text", path=path))]) from error


def parse_batch(text: str, path: Path, *, name: str = "") -> list[NewJob]:
    """Check the text of the batch file `path`, like `read_batch`."""
    markdown = path.suffix.lower() in (".md", ".markdown")
    title, raw = parse_markdown(text) if markdown else ("", parse_json(text))
    # A file's name may hold bytes that are no text; the queue stores text.
    batch = (name or title or path.stem).encode("utf-8", "replace").decode("utf-8")
    return make_entries(raw, path.absolute().parent, batch)


def make_entries(raw: Sequence[RawEntry], folder: Path, batch: str) -> list[NewJob]:
    """Turn raw entries into checked ones; raises InvalidRequest naming every bad entry and field."""
    if len(raw) > MOST_JOBS:
        raise InvalidRequest([too_many()])
    entries: list[NewJob] = []
    problems: list[Problem] = []
    for number, values in enumerate(raw, 1):
        label = values.get("label", "")
        where = (
            tr("entry {number} ({label})", number=number, label=label) if label else tr("entry {number}", number=number)
        )
        request, found = _request(values, folder)
        problems += [Problem(f"{where}.{problem.field}", problem.message) for problem in found]
        if isinstance(label, list | dict):
            problems.append(Problem(f"{where}.label", tr("must be one text, given once")))
        elif not storable(str(label)):
            problems.append(Problem(f"{where}.label", tr("holds bytes that are no text (UTF-8)")))
        if request is not None:
            entries.append(NewJob(request, str(label), batch))
    if not raw:
        problems.append(Problem("file", tr("there is no job in it")))
    if problems:
        raise InvalidRequest(problems)
    return entries


def load_json(text: str) -> Any:
    """Read JSON of a size that a list of jobs may have; raises InvalidRequest with the line of a mistake."""
    if text.count(",") > _MOST_COMMAS:
        raise InvalidRequest([too_many()])
    try:
        return read_json(text)
    except json.JSONDecodeError as error:
        message = tr(
            "line {line}, column {column}: {message}", line=error.lineno, column=error.colno, message=error.msg
        )
        raise InvalidRequest([Problem("file", message)]) from error
    except ValueError as error:
        # Numbers of thousands of digits, brackets thousands deep.
        raise InvalidRequest(
            [Problem("file", tr("holds a number too long or lists too deep to be a batch"))]
        ) from error


def parse_json(text: str) -> list[RawEntry]:
    """Read a JSON array of objects; raises InvalidRequest with the line of a mistake."""
    content = load_json(text)
    if not isinstance(content, list):
        raise InvalidRequest([Problem("file", tr("must be a list of jobs: [ {...}, {...} ]"))])
    if len(content) > MOST_JOBS:
        raise InvalidRequest([too_many()])
    if any(isinstance(_jobs_of(entry), list) for entry in content):
        count = sum(len(jobs) for entry in content if isinstance(jobs := _jobs_of(entry), list))
        message = trn(
            "is a list of queues with {count} job in them, no list of jobs: take the list under 'jobs' of one of them",
            "is a list of queues with {count} jobs in them, no list of jobs: take the list under 'jobs' of one of them",
            count,
        )
        raise InvalidRequest([Problem("file", message)])
    wrong = [number for number, entry in enumerate(content, 1) if not isinstance(entry, dict)]
    if wrong:
        raise InvalidRequest(
            [Problem(tr("entry {number}", number=number), tr("must be an object {...}")) for number in wrong]
        )
    return content


def unknown_task(name: object) -> Problem:
    """The problem of an entry that names no task, or none that there is."""
    names = ", ".join(task.name for task in TASKS)
    if name in ("", None):
        return Problem("task_type", tr("is missing: choose {names}", names=names))
    return Problem("task_type", tr("{value!r}: choose {names}", value=name, names=names))


def too_many() -> Problem:
    """The problem of a file that holds more jobs than one may."""
    return Problem("file", tr("holds more than {count} jobs: divide it into several files", count=MOST_JOBS))


def _jobs_of(entry: object) -> object:
    return entry.get("jobs") if isinstance(entry, dict) else None


def parse_markdown(text: str) -> tuple[str, list[RawEntry]]:
    """Read '## label' sections of '- key: value' lines; returns the '# title' and the entries.

    An indented line continues the value above it; a key that comes again adds to a list.
    """
    title = ""
    entries: list[RawEntry] = []
    problems: list[Problem] = []
    values: dict[str, Any] | None = None
    key, begins = "", 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if len(problems) >= _MOST_PROBLEMS:
            break
        if line.startswith("## "):
            if len(entries) >= MOST_JOBS:
                raise InvalidRequest([too_many()])
            values, key, begins = {"label": line[3:].strip()}, "", number
            entries.append(values)
        elif values is not None and number - begins > MOST_LINES:
            problems.append(
                Problem(tr("entry {number}", number=len(entries)), tr("has more than {count} lines", count=MOST_LINES))
            )
            break
        elif line.startswith("# "):
            title = title or line[2:].strip()
        elif values is None or (not stripped and not key):
            continue
        elif line.startswith(("-", "*")) and ":" in line:
            key, _, value = (part.strip() for part in line[1:].partition(":"))
            values[key] = [*as_list(values[key]), value] if key in values else value
        elif key and (not stripped or line[0] in " \t"):
            _continue(values, key, line)
        else:
            problems.append(
                Problem(
                    tr("entry {number}", number=len(entries)),
                    tr(
                        "line {number} is no '- key: value': {line}; a prompt begins with '- prompt:', and its"
                        " further lines with spaces",
                        number=number,
                        line=stripped,
                    ),
                )
            )
    if problems:
        raise InvalidRequest(problems)
    return title, [{key: _trimmed(value) for key, value in entry.items()} for entry in entries]


def to_json(jobs: Iterable[Job]) -> str:
    """Write jobs as `parse_json` reads them."""
    return json.dumps([plain_entry(job) for job in jobs], ensure_ascii=False, indent=2) + "\n"


def to_markdown(jobs: Iterable[Job], title: str = "") -> str:
    """Write jobs as `parse_markdown` reads them."""
    return entries_to_markdown([plain_entry(job) for job in jobs], title)


def entries_to_markdown(entries: Iterable[RawEntry], title: str = "") -> str:
    """Write entries, each with a label, as `parse_markdown` reads them."""
    lines = [f"# {title}", ""] if title else []
    for entry in entries:
        values = dict(entry)
        lines.append(f"## {' '.join(str(values.pop('label')).split())}")
        for key, value in values.items():
            for one in as_list(value):
                text = str(one).lower() if isinstance(one, bool) else str(one)
                lines.append(f"- {key}: " + text.replace("\n", "\n  "))
        lines.append("")
    return "\n".join(lines) + "\n"


def storable(text: str) -> bool:
    """False for halves of characters, which JSON can spell and the queue cannot store."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _request(values: RawEntry, folder: Path) -> tuple[Request | None, list[Problem]]:
    """Build and check one entry's request."""
    name = values.get("task_type", "")
    if name not in [task.name for task in TASKS]:
        return None, [unknown_task(name)]
    request_type = task_named(name).request_type
    specs = dict(field_specs(request_type))
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in values.items():
        if value is None:
            continue
        if key in specs:
            try:
                fields[key] = convert(specs[key], value, folder)
            except ValueError as error:
                problems.append(Problem(key, str(error)))
    foreign = [str(key) for key, value in values.items() if value is not None and key not in (*specs, *_PLAIN)]
    if foreign:
        keys = ", ".join(foreign)
        problems.append(Problem(keys, tr("{task} has no such field: {names}", task=name, names=", ".join(specs))))
    if values.get("profile", "full") not in ("full", "demo"):
        problems.append(Problem("profile", tr("{value!r}: choose full, demo", value=values["profile"])))
    if problems:
        return None, problems
    request = request_type(**fields, profile=values.get("profile", "full"))
    absent = _absent(fields, specs)
    said = {problem.field for problem in absent}
    return request, absent + [problem for problem in check_request(request) if problem.field not in said]


def _absent(fields: Mapping[str, Any], specs: Mapping[str, FieldSpec]) -> list[Problem]:
    """The first file of each field that is not there, by the whole path that was looked for."""
    problems = []
    for key, paths in fields.items():
        if isinstance(spec := specs[key], Files):
            # What no file can be called is refused in words of its own.
            wanted = [path for path in paths if token_name(path) is None and "\0" not in path]
            missing = [path for path in map(spec.file_of, wanted) if not _exists(Path(path))]
            problems += [Problem(key, tr("{name}: no such file", name=path)) for path in missing[:1]]
    return problems


def convert(spec: FieldSpec, value: Any, folder: Path) -> Any:
    """A value of the type that the field wants; raises ValueError in words."""
    match spec:
        case Flag():
            word = str(value).strip().lower()
            if word in _YES or word in _NO:
                return word in _YES
            raise ValueError(tr("{value!r} is neither yes nor no", value=value))
        case Number():
            if isinstance(value, str):
                try:
                    return float(value) if spec.decimals else int(value)
                except ValueError as error:
                    if spec.decimals:
                        raise ValueError(tr("{value!r} is not a number", value=value)) from error
                    raise ValueError(tr("{value!r} is not a whole number", value=value)) from error
            return value
        case Files():
            paths = [bare(str(path)) for path in paths_in(value, spec, folder)]
            if any(map(is_address, paths)):
                # A dropped batch must never make this machine ask the network by itself.
                raise ValueError(tr("a web address is fetched by the form and by `add`; a batch takes files alone"))
            return tuple(_anchor(path, folder) for path in paths)
        case Regions() if isinstance(value, list):
            return " ".join(map(_box_text, [value] if _is_box(value) else value))
        case Text(lines=True) if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return "\n".join(" ".join(line.split()) for line in value)
        case _:
            if isinstance(value, list | dict):
                raise ValueError(tr("must be one text, given once"))
            return value if isinstance(value, str) else json.dumps(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(type(figure) in (int, float) for figure in value)


def _box_text(box: Any) -> str:
    """A box as text, or as a list of its four figures."""
    if _is_box(box):
        return ",".join(map(str, box))
    if not isinstance(box, str):
        raise ValueError(tr("a region is four figures: left, top, width, height in per cent"))
    return box


def paths_in(value: Any, spec: Files, folder: Path) -> list[Any]:
    """One path, a list of paths, or several in one text with commas (unless a file has such a name)."""
    if not isinstance(value, str):
        return as_list(value)
    if spec.maximum == 1 or token_name(value) is not None or _exists(folder / value):
        return [value] if value.strip() else []
    return [part.strip() for part in split_list(value, lambda part: _exists(folder / spec.file_of(part.strip())))]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # Too long for a name, or with a NUL: refused later as a file that is not there.
        return False


def _anchor(path: str, folder: Path) -> str:
    if token_name(path) is not None:
        return path
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:
        # '~name' of nobody: refused later as a missing file.
        return str(folder / path)


def _continue(values: dict[str, Any], key: str, line: str) -> None:
    """Append a continuation line to the last value of `key`."""
    text = line[2:] if line.startswith("  ") else line.strip()
    held = values[key]
    if isinstance(held, list):
        held[-1] = f"{held[-1]}\n{text}"
    else:
        values[key] = f"{held}\n{text}"


def _trimmed(value: Any) -> Any:
    """Without the blank lines that separate it from what follows."""
    return [one.rstrip() for one in value] if isinstance(value, list) else value.rstrip()


def as_list(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def plain_entry(job: Job) -> dict[str, Any]:
    """A job as an entry: label, task and the fields of its request that say something."""
    return {"label": job.label, "task_type": job.task_type, **plain_request(job.request)}


def plain_request(request: Request) -> dict[str, Any]:
    """The fields of a request that differ from the defaults or are always of interest."""
    entry: dict[str, Any] = {}
    for field in dataclasses.fields(request):
        value = getattr(request, field.name)
        spec = dict(field_specs(type(request))).get(field.name)
        if isinstance(spec, Files) and (value or spec.minimum):
            entry[field.name] = value[0] if spec.maximum == 1 and value else list(value)
        elif field.name in _ALWAYS or value != field.default:
            entry[field.name] = value
    return entry


_ALWAYS = frozenset({"prompt", "resolution", "duration", "seed", "offload", "low_vram"})
