"""The form uses its room, keeps the queue in sight, leads to what is wrong, and lets a job wait for its model."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from pipelines.checkpoints.registry import CHECKPOINTS
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.picture import FilePicture
from skyreels_tui.ui.screens.models.fetch import FetchScreen
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.text import PromptArea
from skyreels_tui.ui.widgets.more import More, MoreLine
from tests.models_hub.conftest import FakeHub, Repo, hub, r2v_files  # noqa: F401 - hub is a fixture
from tests.ui.conftest import ASTRONAUT, Session, Start
from tests.ui.test_form import fill, open_form


def banner(session: Session) -> list[str]:
    return str(session.app.screen.query_one("#form-checkpoint", Static).content).splitlines()


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 3), ((120, 36), 6), ((160, 45), 6), ((160, 60), 6)])
async def test_the_prompt_has_the_lines_that_the_terminal_has(start: Start, size: tuple[int, int], rows: int) -> None:
    async with start(size) as s:
        await open_form(s)
        area = s.app.screen.query_one(PromptArea)
        assert area.size.height == rows
        await fill(s, prompt="\n".join(f"line {number}" for number in range(40)))
        await s.until(lambda: area.size.height == (8 if size[1] < 36 else 18))


@pytest.mark.parametrize(("size", "large"), [((109, 40), False), ((110, 30), True), ((160, 45), True)])
async def test_the_selected_picture_stands_large_beside_the_fields(
    start: Start, size: tuple[int, int], large: bool
) -> None:
    async with start(size) as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(ASTRONAUT),))
        view = s.app.screen.query_one(FilePicture)
        assert view.display is large
        if large:
            await s.until(lambda: view.content.plain.count("\n") >= 12, "a large picture")
            assert not s.app.screen.query_one("#field-ref_imgs .view").display
            await s.press("tab")
            await fill(s, ref_imgs=())
            await s.until(lambda: "▀" not in view.content.plain, "nothing is shown of what is gone")
        else:
            await s.until(lambda: "▀" in s.text, "the small picture of the field")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_queue_stays_in_sight(start: Start, size: tuple[int, int]) -> None:
    async with start(size, gated=True) as s:
        job = s.add("corridor")
        s.add("next")
        s.executor.advance(2)
        await s.until(lambda: s.state(job.id) is JobState.RUNNING)
        await open_form(s)
        await s.shows("Queue ● 2/8 1 corridor")
        await s.shows("1 queued")
        s.executor.advance(1)
        await s.shows("Queue ● 3/8 1 corridor")


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"prompt": "a walk", "ref_imgs": ()}, "ref_imgs"),
        ({"prompt": "", "ref_imgs": (str(ASTRONAUT),)}, "prompt"),
        ({"prompt": "", "ref_imgs": ()}, "ref_imgs"),
        ({"prompt": "a walk", "ref_imgs": (str(ASTRONAUT),), "seed": -4}, "seed"),
        ({"prompt": "a walk", "ref_imgs": (str(ASTRONAUT),), "num_inference_steps": 0}, "num_inference_steps"),
    ],
)
async def test_after_a_refusal_the_cursor_is_in_the_first_wrong_field_and_its_words_are_seen(
    start: Start, values: dict[str, object], wrong: str
) -> None:
    async with start((80, 24)) as s:
        await open_form(s)
        await fill(s, **values)
        await s.press("ctrl+s")
        field = s.app.screen.query_one(f"#field-{wrong}")
        await s.until(lambda: s.app.screen.focused in field.query("*"), f"the cursor in {wrong}")
        words = field.query_one(".problem", Static)
        await s.until(lambda: str(words.content).strip() != "")
        first = str(words.content).split()[1]
        fields = s.app.screen.query_one("#form-fields").region

        def seen() -> bool:
            return bool(words.region) and fields.contains_region(words.region) and first in s.text

        await s.until(seen, "the message")


async def test_more_opens_into_sight_at_80x24(start: Start) -> None:
    async with start((80, 24)) as s:
        await open_form(s)
        more = s.app.screen.query_one(More)
        more.query_one("MoreLine").focus()
        await s.press("enter")
        fields = s.app.screen.query_one("#form-fields").region
        await s.until(
            lambda: more.open and all(fields.contains_region(one.region) for one in more.query(Field)), "all of it"
        )


# Without a model


async def test_without_a_model_three_lines_say_what_how_much_and_two_keys(start: Start) -> None:
    async with start((80, 24)) as s:
        await open_form(s, demo=False)
        await s.until(lambda: len(banner(s)) == 3, "three lines")
        what, much, keys = banner(s)
        assert CHECKPOINTS["r2v"].title in what
        assert "48.3 GiB to fetch" in much and "waits" in much
        assert keys.startswith("F12 fetch it") and "Ctrl+O try it" in keys
        assert s.app.screen.query_one("#form-checkpoint").size.height == 3, "none of them breaks"
        assert "F12 Fetch model" in s.footer
        await s.press("ctrl+o")
        await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen._profile == "demo")
        await s.until(lambda: not s.app.screen.query_one("#form-checkpoint").display)
        assert "F12" not in s.footer


@pytest.mark.parametrize("family", ["r2v", "v2v", "a2v"])
async def test_every_task_names_its_model_and_its_bytes(start: Start, family: str) -> None:
    keys = {"r2v": "f2", "v2v": "f3", "a2v": "f5"}
    async with start((80, 24)) as s:
        await open_form(s, demo=False)
        if keys[family] != "f2":
            await s.press(keys[family])
        await s.until(lambda: s.app.screen.query("#form-checkpoint") and len(banner(s)) == 3)
        await s.until(lambda: CHECKPOINTS[family].title in banner(s)[0])


async def test_a_job_waits_for_its_model_and_starts_by_itself(
    start: Start,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    hub.repos[CHECKPOINTS["r2v"].repo_ids[0]] = Repo(r2v_files())
    async with start((100, 30)) as s:
        await open_form(s, demo=False)
        await fill(s, ref_imgs=(str(ASTRONAUT),), prompt="a walk", label="later")
        await s.press("ctrl+s")
        await s.shows("waits for its model and starts by itself")
        [job] = s.app.board.jobs
        assert (job.state, job.reason.code) == (JobState.HELD, Code.WAITS_FOR_MODEL)
        await s.shows("waits for its model")
        other = s.add("now")
        await s.until(lambda: s.state(other.id) is JobState.DONE, "another job is not held up")
        assert s.state(job.id) is JobState.HELD
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await s.until(lambda: "F12 Fetch model" in s.footer)
        await s.press("f12")
        await s.until(lambda: isinstance(s.app.screen, FetchScreen), "the question")
        await s.press("y")
        await s.until(lambda: s.state(job.id) is JobState.DONE, "it has run", timeout_s=60.0)


async def test_what_a_cluster_runs_needs_no_model_on_this_machine(start: Start, tmp_path: Path) -> None:
    settings = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")}).settings_file
    settings.parent.mkdir(parents=True)
    settings.write_text('cluster = "spark-01.lan:6379"\n')
    async with start((100, 30)) as s:
        await s.until(lambda: s.app.settings.cluster, "the settings")
        await open_form(s, demo=False)
        await fill(s, ref_imgs=(str(ASTRONAUT),), prompt="a walk", label="far")
        await s.until(lambda: s.app.screen._checked is not None and not s.app.screen._checked.found.problems)
        assert not s.app.screen.query_one("#form-checkpoint").display and "F12" not in s.footer
        await s.press("ctrl+s")
        await s.until(lambda: [job.label for job in s.app.board.jobs] == ["far"], "it is queued")
        await s.until(lambda: s.state(s.app.board.jobs[0].id) is JobState.DONE, "it runs")


async def test_a_form_sees_that_the_model_has_come(
    start: Start,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    hub.repos[CHECKPOINTS["r2v"].repo_ids[0]] = Repo(r2v_files())
    async with start((100, 30)) as s:
        await open_form(s, demo=False)
        await s.until(lambda: "F12 Fetch model" in s.footer)
        await s.press("f12")
        await s.until(lambda: isinstance(s.app.screen, FetchScreen))
        await s.press("y")
        await s.until(
            lambda: not any(one.is_busy for one in s.app.services.transfers.all) and s.app.services.transfers.all
        )
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await s.until(lambda: not s.app.screen.query_one("#form-checkpoint").display, "nothing is missing any more")


@pytest.mark.parametrize("own", ["/nowhere/at/all", "folder"])
async def test_an_own_model_that_cannot_be_used_is_not_waited_for(start: Start, tmp_path: Path, own: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    chosen = str(folder) if own == "folder" else own
    settings = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")}).settings_file
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[models]\nr2v = "{chosen}"\n')
    async with start((100, 30)) as s:
        await s.until(lambda: s.app.settings.models, "the settings")
        await open_form(s, demo=False)
        await fill(s, ref_imgs=(str(ASTRONAUT),), prompt="a walk")
        await s.until(lambda: s.app.screen.query_one("#form-checkpoint").display)
        assert "F12" not in s.footer
        await s.press("ctrl+s")
        await s.shows("Not queued: its model cannot be used")
        assert not s.app.board.jobs


async def test_the_line_of_more_does_not_keep_the_help_of_the_field_before(start: Start) -> None:
    """`A name for the list` stood below it, as if Enter there asked for one."""
    async with start((80, 24)) as s:
        await open_form(s)
        words = s.app.screen.query_one("#form-help", Static)
        s.app.screen.query_one(MoreLine).focus()
        await s.until(lambda: not str(words.content), "no help of another field")
        await s.press("up")
        await s.until(lambda: "A name for the list" in str(words.content))
        await s.press("down")
        await s.until(lambda: not str(words.content), "no help of another field")
