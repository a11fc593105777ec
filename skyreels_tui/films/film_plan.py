"""What a file would become as a film: its scenes, and what speaks against each."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.front.errors import Problem
from pipelines.tasks.film import scene_words
from skyreels_tui.films.projects import film_name_problem, project_problem
from skyreels_tui.queue.film import FilmFacts, NewFilm, NewScene


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """One reference of a scene to another one of the same file."""

    field: str
    """Where it stands."""
    token: str
    """As it is written: '{{prev}}'."""
    number: int
    """Of the scene that it means."""


@dataclass(frozen=True, slots=True)
class PlannedScene:
    """One entry of the file and what it becomes."""

    number: int
    """From 1."""
    label: str
    scene: NewScene | None
    """None where a mistake leaves nothing to make."""
    problems: tuple[Problem, ...] = ()
    """Mistakes: the scene is left out unless they are mended."""
    waits: tuple[Problem, ...] = ()
    """Files that are not there: the scene is imported and cannot run before they are."""
    refers: tuple[str, ...] = ()
    """What its references point at, in words."""
    addresses: tuple[str, ...] = ()
    """Web addresses that it names and that were not fetched."""
    made_from: tuple[MadeFrom, ...] = ()
    """The other scenes of the file that its references mean."""

    @property
    def where(self) -> str:
        """'scene 4 (opening)'."""
        return scene_words(self.number, self.label)


@dataclass(frozen=True, slots=True)
class FilmPlan:
    """One film of the file."""

    name: str
    project: str
    facts: FilmFacts
    scenes: tuple[PlannedScene, ...]
    warnings: tuple[Problem, ...] = ()
    """One a key: what is kept or understood in another way."""
    problems: tuple[Problem, ...] = ()
    """Of the film itself."""

    @property
    def all_problems(self) -> list[Problem]:
        """Every mistake, by scene."""
        found = [Problem(f"{one.where}.{it.field}", it.message) for one in self.scenes for it in one.problems]
        return [*self.problems, *found]

    @property
    def all_waits(self) -> list[Problem]:
        """Every file that is not there, by scene."""
        return [Problem(f"{one.where}.{it.field}", it.message) for one in self.scenes for it in one.waits]

    @property
    def addresses(self) -> list[str]:
        """Every web address, once."""
        return list(dict.fromkeys(address for one in self.scenes for address in one.addresses))

    @property
    def can_be_left(self) -> bool:
        """Whether a film can be made without the scenes that have mistakes."""
        return not film_name_problem(self.name)

    def new_film(self, project: str | None = None) -> NewFilm:
        """What is made without the scenes that have mistakes; in `project`, when given, else what the file says."""
        asked = self.project if project is None else project
        return NewFilm(self.name, "" if project_problem(asked) else asked, self.facts, tuple(self.new_scenes))

    @property
    def new_scenes(self) -> list[NewScene]:
        """What is imported."""
        return [one.scene for one in self.scenes if one.scene is not None]
