"""Every action in every state: the table, the store's SQL, the keys and the commands say the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from skyreels_tui.queue import states
from skyreels_tui.queue.errors import NotAllowed
from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.states import Action, WhyNot
from skyreels_tui.queue.store.store import Store
from skyreels_tui.ui.keys import HOME, JOB
from skyreels_tui.ui.screens.home.job_keys import ACTIONS, refusal_of
from tests.queue.conftest import entry, make_request

DRAWN = """
            queued held blocked running interrupted done failed cancelled
EDIT        +      +    +       runs    has_steps   ended ended ended
RENAME      +      +    +       +       +           +    +      +
DUPLICATE   +      +    +       +       +           +    +      +
HOLD        held   held_already held runs held      ended ended ended
RELEASE     not_held queued not_held runs not_held  ended ended ended
RESUME      not_interrupted not_interrupted not_interrupted runs queued ended ended ended
RESTART     queued queued blocked runs  queued      ended ended ended
RETRY       not_ended not_ended not_ended runs not_ended + +    +
CANCEL      cancelled cancelled cancelled + cancelled ended ended ended
MOVE        +      +    +       runs    +           ended ended ended
RUN_NEXT    queued queued blocked runs  queued      ended ended ended
DELETE      +      +    +       runs    +           +    +      +
CLAIM       running any  any     any     any         any  any    any
ADVANCE     not_running not_running not_running + not_running not_running not_running not_running
FINISH      not_running not_running not_running done not_running not_running not_running not_running
FAIL        not_running not_running not_running failed not_running not_running not_running not_running
STOP        not_running not_running not_running cancelled not_running not_running not_running not_running
INTERRUPT   not_running not_running not_running interrupted not_running not_running not_running not_running
REQUEUE     not_running not_running not_running queued not_running not_running not_running not_running
SET_ASIDE   not_running not_running not_running held not_running not_running not_running not_running
NOTE        +      any  any     any     any         any  any    any
"""
"""Drawn by hand: the state that follows, '+' where it stays, else why the action is refused."""


def drawn() -> dict[tuple[Action, JobState], str]:
    lines = DRAWN.strip().splitlines()
    columns = [JobState(name) for name in lines[0].split()]
    return {
        (Action[words[0]], state): word
        for words in map(str.split, lines[1:])
        for state, word in zip(columns, words[1:], strict=True)
    }


GRID = drawn()
FOLLOWS = {"+", *(state.value for state in JobState)}
"""Words of the drawing that mean: it is done."""


def do(store: Store, action: Action, job: int) -> None:
    """Carry out an action on the real store."""
    match action:
        case Action.EDIT:
            store.edit(job, store.get(job).request, "other")
        case Action.RENAME:
            store.rename(job, "other")
        case Action.DUPLICATE:
            store.duplicate(job)
        case Action.CLAIM:
            assert store.attempts.claim([job]) is not None or refuse(store, job, action)
        case Action.ADVANCE:
            store.attempts.update_step(job, stage="load", step=1, num_steps=2, segment=0, num_segments=1, run_seconds=0)
        case Action.FINISH:
            store.attempts.finish(job, output="x.mp4", suspect="", run_seconds=1)
        case Action.FAIL:
            store.attempts.fail(job, error="e", run_seconds=1)
        case Action.STOP:
            store.attempts.cancelled(job, run_seconds=1)
        case Action.INTERRUPT | Action.REQUEUE | Action.SET_ASIDE:
            getattr(store.attempts, action.name.lower())(job, reason=because(Code.STOPPED), run_seconds=1)
        case Action.NOTE:
            store.attempts.note(job, because(Code.STOPPED))
        case Action.MOVE:
            store.move(job, 1)
        case _:
            getattr(store, action.name.lower())(job)


def refuse(store: Store, job: int, action: Action) -> bool:
    """A claim finds nothing where the others are refused."""
    raise NotAllowed(job, store.get(job).state, action)


def bring_to(store: Store, state: JobState) -> int:
    """A job in a state, by the roads that jobs take."""
    if state == JobState.BLOCKED:
        target = store.add(entry(held=True))
        return store.add(entry(ref_imgs=(f"{{{{job:{target.id}}}}}",))).id
    job = store.add(entry(held=state == JobState.HELD)).id
    if state == JobState.CANCELLED:
        store.cancel(job)
    elif state not in (JobState.QUEUED, JobState.HELD):
        assert store.attempts.claim([job]) is not None
        if state == JobState.DONE:
            store.attempts.finish(job, output="x.mp4", suspect="", run_seconds=1)
        elif state == JobState.FAILED:
            store.attempts.fail(job, error="e", run_seconds=1)
        elif state == JobState.INTERRUPTED:
            store.attempts.interrupt(job, reason=because(Code.STOPPED), run_seconds=1)
    assert store.get(job).state == state
    return job


def test_the_drawing_has_every_action_of_a_person_and_of_the_runner():
    assert {action for action, _ in GRID} == set(Action) - {Action.SETTLE, Action.REFUSE, Action.BURY}
    assert len(GRID) == (len(Action) - 3) * len(JobState)


@pytest.mark.parametrize(("action", "state"), GRID)
def test_the_store_does_what_the_drawing_and_the_table_say(store, action, state):
    job = bring_to(store, state)
    before, word = store.get(job), GRID[action, state]
    allowed = word in FOLLOWS
    assert (state in states.TABLE[action]) == allowed == (states.why_not(state, action) is None)
    try:
        do(store, action, job)
    except NotAllowed as error:
        assert not allowed
        assert (error.job_id, error.state, error.action) == (job, state, action)
        assert state.value in str(error)
        assert store.get(job) == before, "a refusal changes nothing"
    else:
        assert allowed
        after = store.get(job).state
        assert after == (state if word == "+" else JobState(word))
        assert after in states.TABLE[action][state]


@pytest.mark.parametrize(("action", "state"), [pair for pair, word in GRID.items() if word not in FOLLOWS])
def test_a_refusal_has_its_code_and_says_what_to_do(action, state):
    why = states.why_not(state, action)
    assert why is not None
    if action not in (Action.CLAIM, Action.NOTE):
        assert why == WhyNot(GRID[action, state])
    assert states.HINTS[why] in str(NotAllowed(7, state, action))


@pytest.mark.parametrize("referred", [False, True])
@pytest.mark.parametrize("action", [Action.RELEASE, Action.RESUME, Action.RESTART, Action.RUN_NEXT, Action.EDIT])
def test_what_would_be_queued_is_blocked_while_another_job_has_no_output(store, action, referred):
    target = store.add(entry(held=True))
    job = store.add(entry(ref_imgs=(f"{{{{job:{target.id}}}}}",) if referred else make_request().ref_imgs)).id
    store.hold(job)
    if action == Action.RESUME:
        return
    do(store, action, job)
    found = store.get(job).state
    wanted = JobState.HELD if action == Action.EDIT else JobState.BLOCKED if referred else JobState.QUEUED
    assert found == wanted and found in states.TABLE[action][JobState.HELD]


@pytest.mark.parametrize("state", JobState)
def test_again_is_always_an_action_that_applies_or_is_refused_in_words(store, state):
    job = store.get(bring_to(store, state))
    action = states.again(job)
    assert (states.why_not(state, action) is None) == (state in FINISHED | {JobState.HELD, JobState.INTERRUPTED})


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize(("scope", "key"), [(HOME, key) for key in ("r", "x", "space", "J", "K", "e", "t", "d")] + [
    (JOB, "r"), (JOB, "x")])  # fmt: skip
def test_a_key_does_exactly_what_the_table_allows_and_else_says_why(store, scope, key, state):
    job = store.get(bring_to(store, state))
    names = [one.action.partition("(")[0] for one in scope.keys if key in one.keys.split(",")]
    works = [name for name in names if not refusal_of(name, job)]
    assert len(works) <= 1, "one key, one meaning"
    allowed = [name for name in names if states.why_not(state, ACTIONS[name](job)) is None]
    assert bool(works) == bool(allowed)
    said = "" if works else refusal_of(names[-1], job)
    assert bool(said) != bool(works)
    if said:
        assert state.value in said and str(job.id) in said


def test_other_keys_are_never_refused():
    others = {one.action.partition("(")[0] for one in HOME.keys for key in ("n", "p", "M", "slash", "z", "enter")
              if key in one.keys.split(",")}  # fmt: skip
    assert len(others) == 6 and not others & set(ACTIONS), "what is about no job asks no job"


HELD = {
    "a folder called restart-test": (because(Code.DISK_STAYS_FULL, error="disk full at /restart-test"), Action.RELEASE),
    "a picture called restart.jpg": (because(Code.INPUT_CHANGED, path="/a/restart.jpg"), Action.RESTART),
    "old words with restart in them": (because(Code.WORDS, text="restart it from step 0"), Action.RELEASE),
    "waits for restart": (because(Code.WAITS_FOR_MEMORY, why="restart the machine"), Action.RELEASE),
    "held by hand": (because(Code.NONE), Action.RELEASE),
    "died twice": (because(Code.DIED_TWICE, step=3, num_steps=8), Action.RESTART),
}


@pytest.mark.parametrize("name", HELD)
def test_only_the_code_of_a_reason_decides_what_again_means(open_service, folders, name):
    reason, wanted = HELD[name]
    service = open_service(start=False)
    job = service.actions.add(make_request())
    with closing(sqlite3.connect(folders.database)) as raw:
        raw.execute("UPDATE jobs SET state = 'held', step = 3, num_steps = 8, reason = ?", (reason.to_json(),))
        raw.commit()
    steps = folders.jobs / str(job.id) / "step"
    steps.parent.mkdir()
    steps.touch()
    assert states.again(service.job(job.id)) is wanted
    kept = service.actions.again(job.id)
    assert kept.state is JobState.QUEUED
    assert (kept.step == 3) == steps.exists() == (wanted is Action.RELEASE), "only a restart throws steps away"
