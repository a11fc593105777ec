"""What an imported file would become: scenes, warnings and problems; stores nothing, for a person looks first."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.errors import MediaError, Problem
from pipelines.front.fields import Choice, Files
from pipelines.front.language import tr
from pipelines.front.lora import file_of
from pipelines.front.request import Request, check_fields, field_specs
from pipelines.media.remote.address import Media, is_address
from pipelines.tasks import TASKS, task_named
from pipelines.tasks.shot_switching_extension import CUTS
from skyreels_tui.films.file_shapes import RawFilm, read_films
from skyreels_tui.films.film_plan import FilmPlan, MadeFrom, PlannedScene
from skyreels_tui.films.found_files import Places, earlier_result
from skyreels_tui.films.left_out import leave_out
from skyreels_tui.films.projects import film_name_problem, project_problem
from skyreels_tui.queue.batches.batch_file import convert, paths_in, storable, unknown_task
from skyreels_tui.queue.film import FilmFacts, NewScene, SceneFacts
from skyreels_tui.requests.references import check_request, field_of, token_name
from skyreels_tui.requests.typed_paths import bare

BOOKKEEPING = frozenset({"id", "nq_id", "nq_job_index", "created_at", "started_at", "finished_at", "status"})
"""What another page notes about its own run: dropped without a word."""
_TEXTS = {"audio_text": "words", "voice_id": "voice", "notes": "notes", "image_prompt": "picture_prompt"}
"""Key of a file -> the fact of a scene that it becomes."""
_SOUNDS = {"narration": "narration", "audio_bg": "music"}
_OWN = frozenset({"label", "task_type", "profile", "output_video", *BOOKKEEPING, *_TEXTS, *_SOUNDS})
_FOREIGN_CUTS = re.compile(r"\[[A-Z]+(?:_[A-Z]+)*_CUT\]")
_NOT_TRAINED, _INSTEAD = "540P", "480P"
"""A size that not every model has, and the one that takes its place."""
VOICE = "input_audio"
"""The field of a task that speaks; in a scene of any other task this key is the narration."""

SEED_UNTOLD = Request().seed
"""Of an entry that names none."""

Fetch = Callable[[str, Media], str]
"""(address, kind of media) -> path of the fetched file; raises MediaError."""


def plan_import(
    path: Path, *, name: str = "", folders: Sequence[Path] = (), fetch: Fetch | None = None
) -> list[FilmPlan]:
    """Read a file as films. Raises InvalidRequest for what is no list of scenes at all.

    Relative paths are looked for beside the file, upwards, then in `folders`; web addresses are fetched only when
    `fetch` is given.
    """
    return plan_films(read_films(path, name), path, folders=folders, fetch=fetch)


def plan_films(
    raws: Sequence[RawFilm], place: Path, *, folders: Sequence[Path] = (), fetch: Fetch | None = None
) -> list[FilmPlan]:
    """Plan what a file holds that lies, or lay, at `place`: like `plan_import`."""
    places = Places.of(place, folders)
    return [_Reading(raw, places, fetch).plan() for raw in raws]


@dataclass(slots=True)
class _Found:
    """What the reading of one entry finds, as `PlannedScene` tells it."""

    problems: list[Problem] = field(default_factory=list)
    waits: list[Problem] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    refers: list[str] = field(default_factory=list)
    made_from: list[MadeFrom] = field(default_factory=list)

    def planned(self, number: int, label: str, scene: NewScene | None) -> PlannedScene:
        """The entry with all of it."""
        return PlannedScene(
            number, label, scene, tuple(self.problems), tuple(self.waits), tuple(self.refers), tuple(self.addresses),
            tuple(self.made_from),
        )  # fmt: skip


@dataclass(slots=True)
class _Reading:
    """One film while its entries are read."""

    raw: RawFilm
    places: Places
    fetch: Fetch | None
    warned: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    """Of the entries, so that references can name them."""

    def plan(self) -> FilmPlan:
        entries = self.raw.entries
        self.labels = self._labels()
        planned = leave_out(self._scene(number, entry) for number, entry in enumerate(entries, 1))
        problems = [] if entries else [Problem("file", tr("there is no scene in it"))]
        if problem := film_name_problem(self.raw.name):
            problems.append(Problem("name", problem))
        title, wanted = (text if storable(text) else "" for text in (self.raw.title, self.raw.music))
        problems += [
            Problem(key, tr("holds bytes that are no text (UTF-8)"))
            for key, text in (("title", self.raw.title), ("music", self.raw.music))
            if not storable(text)
        ]
        if problem := project_problem(self.raw.project):
            problems.append(Problem("project", problem))
        music = self._sound_path("music", wanted, [])
        own = {one.scene.facts.music for one in planned if one.scene is not None}
        if not music and len(own) == 1 and len(planned) > 1:
            music = own.pop()
        planned = [_without_music(one, music) for one in planned]
        facts = FilmFacts(title, music, self.raw.goes_on, self.raw.kept)
        warnings = tuple(Problem(key, message) for key, message in self.warned.items())
        return FilmPlan(self.raw.name, self.raw.project, facts, tuple(planned), warnings, tuple(problems))

    def _labels(self) -> list[str]:
        given = [_label(entry) for entry in self.raw.entries]
        texts = [text for entry in self.raw.entries for text in _texts(entry)]
        numbers = [name for text in texts if (name := token_name(text)) and name.isascii() and name.isdigit()]
        meant = {int(name[:9]) for name in numbers}
        meant |= {place for text in texts if (place := self._made_earlier(text)) is not None}
        times = Counter(given)
        # A scene that is referred to by its number needs a name of its own.
        return [
            label if n not in meant or (label and times[label] == 1) else f"{label or 'scene'}-{n + 1:02d}"
            for n, label in enumerate(given)
        ]

    # One entry

    def _scene(self, number: int, entry: Any) -> PlannedScene:
        label = self.labels[number - 1]
        if not isinstance(entry, dict):
            return PlannedScene(number, label, None, (Problem("entry", tr("must be an object {...}")),))
        found = _Found()
        problems = found.problems
        shown = entry.get("label", "")
        if shown is not None and not isinstance(shown, str | int | float):
            problems.append(Problem("label", tr("must be one text, given once")))
        elif not storable(str(shown)):
            problems.append(Problem("label", tr("holds bytes that are no text (UTF-8)")))
            label = ""
        facts = self._facts(entry, found)
        request = self._request(number, entry, found)
        scene = None
        if request is not None and not problems:
            output = self._finished(entry)
            scene = NewScene(request, label, facts, output)
            if not output and not found.addresses and not found.waits:
                problems += check_request(request)
                scene = None if problems else scene
        return found.planned(number, label, scene)

    def _facts(self, entry: Mapping[str, Any], found: _Found) -> SceneFacts:
        problems = found.problems
        values: dict[str, Any] = {}
        for key, name in _TEXTS.items():
            value = entry.get(key)
            if value is not None and not isinstance(value, str | int | float):
                problems.append(Problem(key, tr("must be one text, given once")))
            elif not storable(str(value)):
                problems.append(Problem(key, tr("holds bytes that are no text (UTF-8)")))
            elif value is not None:
                values[name] = str(value)
        if values.get("picture_prompt"):
            self._warn("image_prompt", tr("kept with the scene, for the picture command"))
        for key, name in _SOUNDS.items():
            values[name] = self._sound_path(key, entry.get(key), found.waits)
        specs = _specs(entry.get("task_type"))
        if entry.get(VOICE) and specs and VOICE not in specs:
            values["narration"] = self._sound_path(VOICE, entry[VOICE], found.waits)
        # Where nobody knows the task, a field of any task is none that this program does not use.
        known = specs or {name for task in TASKS for name in _specs(task.name)}
        kept = {key: value for key, value in entry.items() if key not in _OWN and key not in known}
        kept.pop(VOICE, None)
        for key in kept:
            self._warn(str(key), tr("kept with the scene: this program does not use it"))
        return SceneFacts(**values, kept=kept)

    def _sound_path(self, key: str, value: Any, waits: list[Problem]) -> str:
        text = value[0] if isinstance(value, list) and len(value) == 1 else value
        if text in (None, "", []):
            return ""
        if not isinstance(text, str):
            waits.append(Problem(key, tr("must be the path of one sound file")))
            return ""
        found = self.places.find(bare(text))
        if found is None:
            waits.append(Problem(key, tr("{name}: no such file", name=text)))
            return self.places.missing(bare(text))
        return str(found)

    def _finished(self, entry: Mapping[str, Any]) -> str:
        """The clip of a scene that is done elsewhere and there; '' where it has to be made."""
        output = entry.get("output_video")
        if entry.get("status") != "done" or not isinstance(output, str) or not output:
            return ""
        found = self.places.find(bare(output))
        return "" if found is None else str(found)

    def _request(self, number: int, entry: Mapping[str, Any], found: _Found) -> Request | None:
        problems = found.problems
        name = entry.get("task_type", "")
        if not isinstance(name, str) or name not in [task.name for task in TASKS]:
            problems.append(unknown_task(name))
            return None
        profile = entry.get("profile", "full")
        if profile not in ("full", "demo"):
            problems.append(Problem("profile", tr("{value!r}: choose full, demo", value=profile)))
            return None
        fields: dict[str, Any] = {"profile": profile}
        for key, spec in _specs(name).items():
            if entry.get(key) is None:
                continue
            if isinstance(spec, Files):
                fields[key] = self._files(number, key, spec, entry[key], found)
                continue
            try:
                fields[key] = convert(spec, entry[key], self.places.bases[0])
            except ValueError as error:
                problems.append(Problem(key, str(error)))
        if fields.get("resolution") == _NOT_TRAINED and not _offers(name, _NOT_TRAINED):
            fields["resolution"] = _INSTEAD
            words = tr(
                "{asked} of an avatar becomes {instead}: its model has no {asked}", asked=_NOT_TRAINED, instead=_INSTEAD
            )
            self._warn("resolution", words)
        self._look_at_cuts(fields.get("prompt"))
        if problems:
            return None
        request = task_named(name).request_type(**fields)
        later = _made_later(name, entry)
        for field_name, words in later.items():
            found.waits.append(Problem(field_name, words))
        problems += [problem for problem in check_fields(request) if problem.field not in later]
        return None if problems else request

    def _look_at_cuts(self, prompt: object) -> None:
        known = {tag for tag, _ in CUTS}
        for tag in _FOREIGN_CUTS.findall(prompt) if isinstance(prompt, str) else ():
            if tag not in known:
                self._warn(tag, tr("plain words of the prompt to the model, which knows five cuts"))

    def _warn(self, key: str, message: str) -> None:
        self.warned.setdefault(key, message)

    # Files and references

    def _files(self, number: int, key: str, spec: Files, value: Any, found: _Found) -> tuple[str, ...]:
        paths = []
        for one in paths_in(value, spec, self.places.bases[0]):
            if not isinstance(one, str):
                found.problems.append(Problem(key, tr("must be a list of paths")))
                continue
            text = bare(one)
            if token_name(text) is not None:
                paths.append(self._reference(number, key, text, found))
            elif is_address(text) and spec.media != "lora":
                paths.append(self._address(key, spec.media, text, found))
            else:
                paths.append(self._path(number, key, text, found))
        return tuple(paths)

    def _reference(self, number: int, key: str, text: str, found: _Found) -> str:
        name = token_name(text) or ""
        target: int | None
        if not name:
            target = number - 2 if number > 1 else None
        elif name in self.labels:
            target = self.labels.index(name)
        elif self.raw.counts_from_0 and name.isascii() and name.isdigit() and int(name[:9]) < len(self.labels):
            target = int(name)
            text = f"{{{{job:{self.labels[target]}}}}}"
        elif not self.raw.counts_from_0 and name.isascii() and name.isdigit():
            found.refers.append(tr("{token} is job {id} of the queue", token=text, id=name))
            return text
        else:
            target = None
        if target is None:
            words = (
                tr("{token}: no scene of this file is called so", token=text)
                if name
                else tr("{token}: no scene stands before this one", token=text)
            )
            found.problems.append(Problem(key, words))
        elif target == number - 1:
            found.problems.append(Problem(key, tr("{token}: the scene would wait for itself", token=text)))
        else:
            found.made_from.append(MadeFrom(key, text, target + 1))
            found.refers.append(
                tr(
                    "{token} is scene {number} ({label})",
                    token=text,
                    number=target + 1,
                    label=self.labels[target] or "-",
                )
            )
        return text

    def _address(self, key: str, media: Media, text: str, found: _Found) -> str:
        if self.fetch is None:
            found.addresses.append(text)
            found.waits.append(Problem(key, tr("a web address is fetched only when you say so")))
            return text
        try:
            return self.fetch(text, media)
        except MediaError as error:
            found.waits.append(Problem(key, str(error)))
            return text

    def _made_earlier(self, text: str) -> int | None:
        """The entry whose clip a path of an earlier run names and that is not there."""
        earlier = earlier_result(text)
        if earlier is None or self.places.find(text) is not None:
            return None
        return next(
            (
                place
                for place, entry in enumerate(self.raw.entries)
                if isinstance(entry, dict) and (entry.get("task_type"), entry.get("seed", SEED_UNTOLD)) == earlier
            ),
            None,
        )

    def _path(self, number: int, key: str, text: str, found: _Found) -> str:
        file = file_of(text)
        path = self.places.find(file)
        if path is not None:
            return f"{path}{text[len(file) :]}"
        if earlier_result(text) is not None:
            place = self._made_earlier(text)
            if place is not None and place != number - 1:
                label = self.labels[place]
                token = f"{{{{job:{label}}}}}"
                found.made_from.append(MadeFrom(key, token, place + 1))
                found.refers.append(tr("{path} is scene {number} ({label})", path=text, number=place + 1, label=label))
                return token
            found.waits.append(Problem(key, tr("{name}: the clip of an earlier run is not there", name=text)))
        else:
            found.waits.append(Problem(key, tr("{name}: no such file", name=text)))
        return self.places.missing(text)


def _made_later(task: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Inputs that an entry leaves empty and has the words for -> what makes them."""
    sound, image = field_of(task, "audio"), field_of(task, "image")
    found = {}
    if sound and entry.get("audio_text") and not entry.get(sound):
        found[sound] = tr("no sound yet: the voice command speaks its words")
    if image and entry.get("image_prompt") and not entry.get(image):
        found[image] = tr("no picture yet: the picture command draws it")
    return found


def _label(entry: object) -> str:
    label = entry.get("label") if isinstance(entry, dict) else None
    return str(label).strip() if isinstance(label, str | int | float) else ""


def _texts(entry: object) -> list[str]:
    """Every text of an entry, those of its lists too."""
    values = list(entry.values()) if isinstance(entry, dict) else []
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [one for one in flat if isinstance(one, str)]


def _specs(task: object) -> dict[str, Any]:
    found = next((one for one in TASKS if one.name == task), None)
    return {} if found is None else dict(field_specs(found.request_type))


def _offers(task: str, resolution: str) -> bool:
    spec = _specs(task).get("resolution")
    return isinstance(spec, Choice) and resolution in [value for value, _ in spec.options]


def _without_music(planned: PlannedScene, music: str) -> PlannedScene:
    """The scene without the music that lies under the whole film."""
    scene = planned.scene
    if scene is None or not music or scene.facts.music != music:
        return planned
    return dataclasses.replace(
        planned, scene=dataclasses.replace(scene, facts=dataclasses.replace(scene.facts, music=""))
    )
