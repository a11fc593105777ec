"""Scenes that are made from one with mistakes: left out with it, for their references would mean another scene."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

from pipelines.front.errors import Problem
from pipelines.front.language import tr
from skyreels_tui.films.film_plan import MadeFrom, PlannedScene
from skyreels_tui.queue.film import NewScene
from skyreels_tui.requests.references import substitute


def leave_out(planned: Iterable[PlannedScene]) -> list[PlannedScene]:
    """The scenes in their order, those left out too that are made from one that is, and from those again.

    A scene whose clip is there stays: its references then mean a scene that nobody has, so that another take of it is
    refused in words and never made from the wrong one.
    """
    scenes = {one.number: one for one in planned}
    made_of: dict[int, list[tuple[int, MadeFrom]]] = defaultdict(list)
    for one in scenes.values():
        for link in one.made_from:
            made_of[link.number].append((one.number, link))
    left_out = [one.number for one in scenes.values() if one.scene is None]
    while left_out:
        gone = scenes[left_out.pop()]
        for number, link in made_of[gone.number]:
            one = scenes[number]
            if one.scene is not None and one.scene.output:
                scenes[number] = dataclasses.replace(one, scene=_apart(one.scene, link, gone))
            else:
                if one.scene is not None:
                    left_out.append(number)
                words = tr("{token} is {scene}, which has mistakes", token=link.token, scene=gone.where)
                problems = (*one.problems, Problem(link.field, words))
                scenes[number] = dataclasses.replace(one, scene=None, problems=problems)
    return list(scenes.values())


def _apart(scene: NewScene, link: MadeFrom, gone: PlannedScene) -> NewScene:
    nobody = f"{{{{job:{gone.label or 'scene'}-{gone.number:02d}}}}}"
    return dataclasses.replace(scene, request=substitute(scene.request, {link.token: nobody}))
