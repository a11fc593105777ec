"""Films from a file that nobody looks at first: read, made and queued at once; fetches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.errors import Problem
from pipelines.front.language import tr
from pipelines.front.request import field_specs
from pipelines.tasks import TASKS
from skyreels_tui.films.file_shapes import RawFilm, read_films
from skyreels_tui.films.film_plan import FilmPlan
from skyreels_tui.films.importing import plan_films
from skyreels_tui.films.takes import run_film
from skyreels_tui.queue.errors import NoSuchFilm
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.service import QueueService

_OF_A_BATCH = frozenset({"label", "task_type", "profile"})


@dataclass(slots=True)
class FilmsAtOnce:
    """What a file would become, and then is made."""

    queue: QueueService
    plans: Sequence[FilmPlan]
    helps: Collection[str] = ()
    """Kinds for which a person has a command: what a scene lacks of them is waited for."""
    begun: bool = False
    """The films may be there already, for a crash has come between making them and queuing all their scenes."""

    @property
    def names(self) -> list[str]:
        """What the films are called."""
        return [plan.name for plan in self.plans]

    @property
    def problems(self) -> list[Problem]:
        """Why nothing may be made: mistakes by scene, and names that are taken."""
        called = Counter(self.names)
        taken = [name for name in called if called[name] > 1]
        taken += [plan.name for plan in self.plans if self._is_taken(plan) and plan.name not in taken]
        found = [Problem("name", tr("there is a film {name!r} already", name=name)) for name in taken]
        return found + [problem for plan in self.plans for problem in plan.all_problems]

    @property
    def warnings(self) -> list[Problem]:
        """What is kept or understood in another way, one a key."""
        return [warning for plan in self.plans for warning in plan.warnings]

    def make(self) -> tuple[list[Job], list[Problem]]:
        """Begin the films and queue their scenes; returns the jobs, and what keeps scenes from one.

        Raises QueueError for a queue that cannot be written, or a name that was taken meanwhile.
        """
        new = [plan for plan in self.plans if not (self.begun and self._is_there(plan))]
        films = [plan.new_film() for plan in new]
        self.queue.actions.films.create(*films, result_dir=str(self.queue.actions.results_of("")))
        jobs: list[Job] = []
        left = {problem.field: problem for plan in self.plans for problem in plan.all_waits}
        for plan in self.plans:
            film = self.queue.film(plan.name)
            # What has a take was queued before the crash, whatever has become of it.
            done = run_film(
                self.queue, film, only={scene.id for scene in film.scenes if not scene.takes}, helps=self.helps
            )
            jobs += [take for scene in film.scenes for take in scene.takes if not scene.chosen] + done.jobs
            left |= {problem.field: problem for problem in done.problems if problem.field not in left}
        return jobs, list(left.values())

    def _is_taken(self, plan: FilmPlan) -> bool:
        return plan.name in {film.name for film in self.queue.films()} and not (self.begun and self._is_there(plan))

    def _is_there(self, plan: FilmPlan) -> bool:
        """Whether the film of this name has been made of this plan."""
        try:
            film = self.queue.film(plan.name)
        except NoSuchFilm:
            return False
        return [scene.label for scene in film.scenes] == [scene.label for scene in plan.new_scenes]


def films_at_once(
    queue: QueueService, file: Path, place: Path, helps: Collection[str], *, begun: bool
) -> FilmsAtOnce | None:
    """Read a file that says more than a batch of jobs can; None for one that does not.

    `place` is where it lay when its paths were written. Raises InvalidRequest for what is no list of scenes at all.
    """
    raws = read_films(file)
    return FilmsAtOnce(queue, plan_films(raws, place), helps, begun) if any(map(_says_more, raws)) else None


def says_more(file: Path) -> bool:
    """Whether a file says more than a batch of jobs can; raises InvalidRequest for what is no list of scenes at all."""
    return any(map(_says_more, read_films(file)))


def _says_more(raw: RawFilm) -> bool:
    """True for an exported object, and where a key of an entry is no field of its task."""
    return raw.is_object or any(isinstance(entry, dict) and _foreign(entry) for entry in raw.entries)


def _foreign(entry: dict[str, object]) -> bool:
    meant = [task for task in TASKS if task.name == entry.get("task_type")] or TASKS
    known = {name for task in meant for name, _ in field_specs(task.request_type)}
    return any(value is not None and key not in known | _OF_A_BATCH for key, value in entry.items())
