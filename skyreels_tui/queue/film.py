"""A film as the store gives it: scenes in order, each with the jobs made from it; plain data that runs nothing."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.front.documents import read_json
from pipelines.front.language import mark
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code

if TYPE_CHECKING:
    from pipelines.front.request import Request

MADE_FIRST = (Code.WAITS_FOR_VOICE, Code.WAITS_FOR_PICTURE)
"""Reasons of a take for which something is being made."""
HOLDABLE = frozenset({JobState.QUEUED, JobState.BLOCKED})
_WAITING = HOLDABLE | {JobState.RUNNING}
NOT_BEGUN = mark("not begun")
"""Where a scene stands from which no job was made."""


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What a person wrote about a whole film."""

    title: str = ""
    music: str = ""
    """Path of a sound file that lies under the whole film."""
    goes_on: bool = False
    """`{{prev}}` means the nearest earlier scene with a finished take while later ones have failed."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Keys of an imported file that mean nothing to this program."""


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """What a person wrote about a scene besides its request."""

    narration: str = ""
    """Path of a sound file that is heard with the scene."""
    words: str = ""
    """What is said, for a voice command and for subtitles."""
    voice: str = ""
    """Which voice says it."""
    music: str = ""
    """Path of a sound file under this scene alone."""
    picture_prompt: str = ""
    """What a picture command is told."""
    notes: str = ""
    trouble: str = ""
    """Why the voice or the picture command gave nothing, the last time."""
    asked: str = ""
    """'voice' or 'picture' where a person has asked for one anew."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Keys of an imported file that mean nothing to this program."""


Facts = TypeVar("Facts", FilmFacts, SceneFacts)


def written_facts(facts: FilmFacts | SceneFacts) -> str:
    """Write what a person wrote as JSON."""
    return json.dumps(dataclasses.asdict(facts), sort_keys=True)


def facts_from(kind: type[Facts], text: str) -> Facts:
    """Read what `written_facts` wrote; what no field of `kind` takes keeps the field's default."""
    try:
        content = read_json(text)
    except ValueError:
        content = {}
    values = content if isinstance(content, dict) else {}
    default = kind()
    known = {entry.name: getattr(default, entry.name) for entry in dataclasses.fields(kind)}
    return kind(**{key: value for key, value in values.items() if isinstance(value, type(known.get(key, object)))})


@dataclass(frozen=True, slots=True)
class Scene:
    """One place in a film, with the jobs made from it: none while it is not begun."""

    id: int
    takes: tuple[Job, ...] = ()
    """Oldest first."""
    picked: int | None = None
    """The job that a person chose, whatever has become of it."""
    label: str = ""
    """'' takes that of the newest take."""
    task_type: str = ""
    request_json: str = ""
    """What the next take is made from; '' is what the newest one was."""
    facts: SceneFacts = field(default_factory=SceneFacts)

    @property
    def chosen(self) -> Job | None:
        """The finished take that stands for the scene: the one a person chose, else the newest."""
        done = [take for take in self.takes if take.state is JobState.DONE]
        return next((take for take in done if take.id == self.picked), done[-1] if done else None)

    @property
    def shown(self) -> Job | None:
        """The take that tells where the scene stands: the chosen one, else the newest; None before the first."""
        return self.chosen or (self.takes[-1] if self.takes else None)

    @property
    def state(self) -> JobState | None:
        """Where the scene stands; None while it is not begun."""
        return None if self.shown is None else self.shown.state

    @property
    def name(self) -> str:
        """Its label, or that of its newest take."""
        return self.label or (self.takes[-1].label if self.takes else "")

    @property
    def task(self) -> str:
        """Name of the task that its next take is made by."""
        return self.task_type or (self.takes[-1].task_type if self.takes else "")

    @property
    def request(self) -> Request:
        """What the next take is made from; raises InvalidRequest for one that cannot be read."""
        if not self.request_json and self.takes:
            return self.takes[-1].request
        return Job(0, self.name, self.task, self.request_json, JobState.HELD, 0.0, "").request


def can_run(scene: Scene) -> bool:
    """Whether a scene is not done, and nothing of it waits or runs."""
    return scene.state is not JobState.DONE and not any(take.state in _WAITING for take in scene.takes)


def can_resume(scene: Scene) -> bool:
    """Whether a scene has failed, or what a command was to make for it."""
    failed = bool(scene.takes) and scene.takes[-1].state is JobState.FAILED
    return bool(scene.facts.trouble) or (failed and can_run(scene))


@dataclass(frozen=True, slots=True)
class SceneLack:
    """A voice or a picture that is to be made for a scene."""

    film: str
    scene_id: int
    kind: str
    """'voice' or 'picture'."""


@dataclass(frozen=True, slots=True)
class NewScene:
    """What a person gives to make a scene."""

    request: Request
    label: str = ""
    facts: SceneFacts = field(default_factory=SceneFacts)
    output: str = ""
    """A finished clip of it that is there already."""


@dataclass(frozen=True, slots=True)
class NewFilm:
    """What a person gives to begin a film."""

    name: str
    project: str = ""
    facts: FilmFacts = field(default_factory=FilmFacts)
    scenes: tuple[NewScene, ...] = ()


@dataclass(frozen=True, slots=True)
class Film:
    """A named list of scenes; where it stands follows from them."""

    name: str
    created_at: str
    """UTC, ISO 8601."""
    scenes: tuple[Scene, ...]
    project: str = ""
    """Folder below the result folder for what is made from it; '' for none."""
    facts: FilmFacts = field(default_factory=FilmFacts)

    @property
    def counts(self) -> Counter[JobState]:
        """How many scenes stand where; those that are not begun are in no count."""
        return Counter(scene.state for scene in self.scenes if scene.state is not None)

    @property
    def not_begun(self) -> int:
        """Scenes without a job."""
        return sum(scene.state is None for scene in self.scenes)

    @property
    def goes_on(self) -> bool:
        """A take is queued or runs, or what it needs is made: the film has not ended, nor does it stand still."""
        going = (JobState.QUEUED, JobState.RUNNING)
        return any(
            take.state in going or take.reason.code in MADE_FIRST for scene in self.scenes for take in scene.takes
        )

    @property
    def is_done(self) -> bool:
        """Every scene has a finished take."""
        return all(scene.state is JobState.DONE for scene in self.scenes)

    @property
    def seconds(self) -> float:
        """Seconds that all its takes have run."""
        return sum(take.run_seconds for scene in self.scenes for take in scene.takes)
