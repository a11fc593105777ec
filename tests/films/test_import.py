"""Films from files: every shape and key of another page's files, ours, mistakes, and the way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from skyreels_tui.films.importing import plan_import
from tests.cli.conftest import Call
from tests.films.conftest import SAMPLES

Cli = Callable[..., Call]

REFERENCE = {
    "task_type": "reference_to_video",
    "prompt": "a street at night",
    "resolution": "540P",
    "duration": 5,
    "seed": 42,
    "offload": False,
    "low_vram": False,
    "ref_imgs": ["ref/hero.png"],
    "label": "street",
}


def scene(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (REFERENCE | changes).items() if value is not ...}


def written(project: Path, content: object, name: str = "ep01.json") -> Path:
    path = project / "queues" / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def only(project: Path, *entries: Mapping[str, Any]) -> Any:
    """The plan of a bare list."""
    [plan] = plan_import(written(project, list(entries)))
    return plan


# Shapes


def shapes(entries: list[dict[str, Any]]) -> dict[str, object]:
    lines = "\n\n".join(
        f"## {entry['label']}\n"
        + "\n".join(
            f"- {key}: {value[0] if isinstance(value, list) else value}"
            for key, value in entry.items()
            if key != "label"
        )
        for entry in entries
    )
    return {
        "array": entries,
        "object": {"name": "ep01", "project": "show", "jobs": entries},
        "list of objects": [{"name": "ep01", "project": "show", "jobs": entries}],
        "markdown": f"# ep01\n\n{lines}\n",
    }


@pytest.mark.parametrize("shape", ["array", "object", "list of objects", "markdown"])
def test_every_shape_is_a_film_of_59_scenes(cli: Cli, project: Path, shape: str) -> None:
    entries = [scene(label=f"s{n:02d}", seed=n) for n in range(59)]
    content = shapes(entries)[shape]
    file = written(project, content, "ep01.md" if shape == "markdown" else "ep01.json")
    assert cli("film", "import", file, "--json").data["films"][0]["warnings"] == []
    film = cli("film", "show", "ep01", "--json").data
    assert film["project"] == ("show" if "object" in shape else "")
    assert [one["label"] for one in film["scenes"]] == [f"s{n:02d}" for n in range(59)]
    assert [one["request"]["seed"] for one in film["scenes"]] == list(range(59))
    assert film["states"] == {"not_begun": 59} and cli("list", "--json").data == []


def test_a_list_of_objects_is_as_many_films(cli: Cli, project: Path) -> None:
    file = written(project, [{"name": "a", "jobs": [scene()]}, {"jobs": [scene(), scene(label="x")]}])
    assert cli("film", "import", file).out == "a\nep01-2\n"
    assert [film["num_scenes"] for film in cli("film", "--json").data] == [2, 1]


# Every row of the table


def test_bookkeeping_is_dropped_without_a_word(project: Path) -> None:
    book = {"id": "x1", "nq_id": 3, "nq_job_index": 0, "created_at": "t", "started_at": "t", "finished_at": None}
    plan = only(project, scene(**book, status="pending"))
    assert (plan.warnings, plan.all_problems, plan.all_waits) == ((), [], [])
    assert plan.new_scenes[0].facts.kept == {}


def test_sound_of_a_clip_is_its_narration_and_of_an_avatar_its_voice(project: Path) -> None:
    shutil.copy(project / "ref" / "before.mp4", project / "ref" / "go.mp4")
    plan = only(
        project,
        scene(input_audio="audio/one.mp3"),
        scene(task_type="single_shot_extension", ref_imgs=..., input_video="ref/go.mp4", input_audio="audio/one.mp3"),
        scene(
            task_type="talking_avatar",
            ref_imgs=...,
            duration=...,
            input_image="ref/hero.png",
            input_audio="audio/one.mp3",
            resolution="480P",
        ),
    )
    voice = str(project / "audio" / "one.mp3")
    assert (plan.warnings, plan.all_problems) == ((), [])
    assert [one.facts.narration for one in plan.new_scenes] == [voice, voice, ""]
    assert plan.new_scenes[2].request.input_audio == (voice,)


def test_words_and_voice_wait_for_a_voice_command(project: Path) -> None:
    plan = only(project, scene(audio_text="Era uma vez", voice_id="v7"))
    facts = plan.new_scenes[0].facts
    assert (facts.words, facts.voice, facts.narration, plan.warnings) == ("Era uma vez", "v7", "", ())


def test_music_of_all_scenes_is_the_films(project: Path) -> None:
    shutil.copy(project / "audio" / "music.mp3", project / "audio" / "other.mp3")
    same = only(project, scene(audio_bg="audio/music.mp3"), scene(audio_bg="audio/music.mp3"))
    assert same.facts.music == str(project / "audio" / "music.mp3")
    assert [one.facts.music for one in same.new_scenes] == ["", ""]
    each = only(project, scene(audio_bg="audio/music.mp3"), scene(audio_bg="audio/other.mp3"))
    assert each.facts.music == ""
    assert [Path(one.facts.music).name for one in each.new_scenes] == ["music.mp3", "other.mp3"]


def test_a_film_begun_elsewhere_goes_on_here(cli: Cli, project: Path) -> None:
    shutil.copy(SAMPLES / "clip.mp4", project / "result" / "reference_to_video" / "1_a.mp4")
    file = written(
        project,
        [
            scene(status="done", output_video="result/reference_to_video/1_a.mp4"),
            scene(status="done", output_video="result/reference_to_video/9_gone.mp4", label="gone"),
            scene(label="next", task_type="single_shot_extension", ref_imgs=..., input_video="{{job:0}}"),
        ],
    )
    assert cli("film", "import", file).code == 0
    scenes = cli("film", "show", "ep01", "--json").data["scenes"]
    assert [one["status"] for one in scenes] == ["done", "not_begun", "not_begun"]
    assert scenes[0]["takes"][0]["output"] == str(project / "result" / "reference_to_video" / "1_a.mp4")
    assert cli("film", "run", "ep01").out == "2\n3\n"
    assert cli("show", 3, "--json").data["status"] == "queued", "what it goes on from is there already"


def test_any_other_key_is_kept_with_one_warning(project: Path) -> None:
    plan = only(project, *(scene(mood=n, image_prompt="a hero", x={"a": [1, None]}) for n in range(3)))
    assert sorted(warning.field for warning in plan.warnings) == ["image_prompt", "mood", "x"]
    assert plan.new_scenes[2].facts.kept == {"mood": 2, "x": {"a": [1, None]}}
    assert plan.new_scenes[2].facts.picture_prompt == "a hero" and plan.all_problems == []


def test_an_avatar_at_540p_becomes_480p(project: Path) -> None:
    avatar = scene(task_type="talking_avatar", ref_imgs=..., duration=..., input_image="ref/hero.png")
    plan = only(project, avatar | {"input_audio": "audio/one.mp3"})
    assert [warning.field for warning in plan.warnings] == ["resolution"]
    assert plan.new_scenes[0].request.resolution == "480P"


@pytest.mark.parametrize("cut", ["[STATIC_CUT]", "[PAN_LEFT_CUT]", "[PAN_RIGHT_CUT]"])
def test_foreign_cuts_are_plain_words(project: Path, cut: str) -> None:
    clip = {"task_type": "shot_switching_extension", "ref_imgs": ..., "input_video": "ref/before.mp4"}
    plan = only(project, scene(**clip, prompt=f"{cut} a wall"), scene(**clip, prompt=f"{cut} [ZOOM_IN_CUT] x"))
    assert [warning.field for warning in plan.warnings] == [cut] and plan.all_problems == []
    assert plan.new_scenes[0].request.prompt == f"{cut} a wall"


def test_what_is_made_from_a_scene_with_mistakes_is_left_out_with_it(cli: Cli, project: Path) -> None:
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    entries = [
        scene(label="later", **clip, input_video="{{job:broken}}"),
        scene(label="hero"),
        scene(label="broken", task_type=...),
        scene(label="street", **clip, input_video="{{prev}}"),
        scene(label="square", **clip, input_video="{{prev}}"),
        scene(label="end", ref_imgs=["{{job:hero}}", "{{job:broken}}"]),
        scene(label="own", **clip, input_video="{{job:hero}}"),
    ]
    plan = only(project, *entries)
    assert [one.label for one in plan.new_scenes] == ["hero", "own"]
    told = {one.field: one.message for one in plan.all_problems}
    assert told["scene 3 (broken).task_type"].startswith("is missing: choose reference_to_video,")
    assert told["scene 4 (street).input_video"] == "{{prev}} is scene 3 (broken), which has mistakes"
    assert told["scene 5 (square).input_video"] == "{{prev}} is scene 4 (street), which has mistakes"
    assert {"scene 1 (later).input_video", "scene 6 (end).ref_imgs"} < set(told)
    assert cli("film", "import", written(project, entries), "--rest").code == 0
    scenes = cli("film", "show", "ep01", "--json").data["scenes"]
    assert [one["label"] for one in scenes] == ["hero", "own"]


def test_a_finished_scene_stays_and_means_nobody_by_what_was_left_out(project: Path) -> None:
    (project / "result").mkdir(exist_ok=True)
    shutil.copy(SAMPLES / "clip.mp4", project / "result" / "street.mp4")
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    plan = only(
        project,
        scene(label="hero"),
        scene(label="broken", task_type=...),
        scene(label="street", **clip, input_video="{{prev}}", status="done", output_video="result/street.mp4"),
        scene(label="square", **clip, input_video="{{prev}}"),
    )
    assert [one.label for one in plan.new_scenes] == ["hero", "street", "square"]
    assert [one.request.input_video for one in plan.new_scenes[1:]] == [("{{job:broken-02}}",), ("{{prev}}",)]


@pytest.mark.parametrize("keys", [{"id": 1}, {}], ids=["bookkeeping", "a zero"])
def test_numbers_count_from_0_in_such_a_file(project: Path, keys: dict[str, Any]) -> None:
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    plan = only(
        project,
        scene(label="hero", **keys),
        scene(label=..., **clip, input_video="{{job:0}}"),
        scene(label=..., **clip, input_video="{{job:1}}"),
        scene(label="last", **clip, input_video="{{prev}}"),
    )
    assert plan.all_problems == []
    videos = [one.request.input_video for one in plan.new_scenes[1:]]
    assert videos == [("{{job:hero}}",), ("{{job:scene-02}}",), ("{{prev}}",)]
    assert [one.refers for one in plan.scenes][1:] == [
        ("{{job:hero}} is scene 1 (hero)",),
        ("{{job:scene-02}} is scene 2 (scene-02)",),
        ("{{prev}} is scene 3 (-)",),
    ]


def test_in_our_own_files_it_is_a_label_or_an_id(project: Path) -> None:
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    plan = only(
        project, scene(label="7"), scene(**clip, input_video="{{job:7}}"), scene(**clip, input_video="{{job:3}}")
    )
    assert [one.refers for one in plan.scenes][1:] == [
        ("{{job:7}} is scene 1 (7)",),
        ("{{job:3}} is job 3 of the queue",),
    ]


@pytest.mark.parametrize("where", ["beside", "upwards", "named"])
def test_relative_paths_are_looked_for(project: Path, tmp_path: Path, where: str) -> None:
    place = {"beside": project / "queues", "upwards": project, "named": tmp_path / "elsewhere"}[where]
    (place / "pics").mkdir(parents=True)
    shutil.copy(project / "ref" / "hero.png", place / "pics" / "a.png")
    [plan] = plan_import(written(project, [scene(ref_imgs=["pics/a.png"])]), folders=[tmp_path / "elsewhere"])
    assert plan.new_scenes[0].request.ref_imgs == (str(place / "pics" / "a.png"),)


def test_a_missing_picture_holds_its_scene_alone(cli: Cli, project: Path) -> None:
    file = written(project, [scene(ref_imgs=["ref/none.png"]), scene(label="b")])
    call = cli("film", "import", file, "--run")
    assert call.code == 0 and call.out == "ep01\n"
    assert "scene 1 (street).ref_imgs: ref/none.png: no such file" in call.err
    states = cli("film", "status", "ep01", "--json").data["states"]
    assert states == {"queued": 1, "not_begun": 1}


def test_a_clip_of_an_earlier_run_is_the_file_the_take_or_waits(project: Path) -> None:
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    there = project / "result" / "reference_to_video" / "7_20260101.mp4"
    entries = [
        scene(seed=7, label=...),
        scene(**clip, input_video="result/reference_to_video/7_20260101.mp4"),
        scene(**clip, input_video="result/reference_to_video/8_20260101.mp4", label="lost"),
    ]
    plan = only(project, *entries)
    assert plan.new_scenes[0].label == "scene-01"
    assert plan.new_scenes[1].request.input_video == ("{{job:scene-01}}",)
    assert [wait.field for wait in plan.all_waits] == ["scene 3 (lost).input_video"]
    shutil.copy(SAMPLES / "clip.mp4", there)
    assert only(project, *entries).new_scenes[1].request.input_video == (str(there),)


def test_web_addresses_are_listed_and_not_fetched(project: Path) -> None:
    asked: list[str] = []
    file = written(project, [scene(ref_imgs=["https://example.org/a.png"]), scene(label="b")])
    [plan] = plan_import(file)
    assert plan.addresses == ["https://example.org/a.png"] and len(plan.new_scenes) == 2
    [plan] = plan_import(file, fetch=lambda address, _media: asked.append(address) or str(project / "ref" / "hero.png"))
    assert asked == ["https://example.org/a.png"] and plan.addresses == []
    assert plan.new_scenes[0].request.ref_imgs == (str(project / "ref" / "hero.png"),)


# Mistakes

MISTAKES: dict[str, tuple[object, str]] = {
    "no object": ("x", "entry"),
    "no task": (scene(task_type="paint"), "task_type"),
    "no task at all": (scene(task_type=...), "task_type"),
    "task of a wrong type": (scene(task_type=["r2v"]), "task_type"),
    "no prompt": (scene(prompt=" "), "prompt"),
    "too long": (scene(duration=99), "duration"),
    "no number": (scene(seed="many"), "seed"),
    "no resolution": (scene(resolution="8K"), "resolution"),
    "no flag": (scene(offload="perhaps"), "offload"),
    "too many pictures": (scene(ref_imgs=["ref/hero.png"] * 5), "ref_imgs"),
    "no picture": (scene(ref_imgs=[]), "ref_imgs"),
    "no path": (scene(ref_imgs=[3]), "ref_imgs"),
    "text in a list": (scene(prompt=["a", "b"]), "prompt"),
    "a list for a label": (scene(label=["a"]), "label"),
    "words of half letters": (scene(audio_text="\ud800"), "audio_text"),
    "notes of half letters": (scene(notes="\udfff"), "notes"),
    "words of a wrong type": (scene(audio_text={"pt": "x"}), "audio_text"),
    "no profile": (scene(profile="best"), "profile"),
    "nothing before": (scene(ref_imgs=["{{prev}}"]), "ref_imgs"),
    "nobody of that name": (scene(ref_imgs=["{{job:nobody}}"]), "ref_imgs"),
    "itself": (scene(ref_imgs=["{{job:street}}"]), "ref_imgs"),
    "a video for a picture": (scene(ref_imgs=["audio/one.mp3"]), "ref_imgs"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_told_by_scene_and_field(project: Path, kind: str) -> None:
    entry, field = MISTAKES[kind]
    plan = only(project, entry)
    assert [problem.field.rsplit(".", 1)[1] for problem in plan.all_problems] == [field]
    assert plan.all_problems[0].field.startswith("scene 1") and plan.new_scenes == []


def test_mistakes_refuse_the_file_and_the_rest_comes_when_told(cli: Cli, project: Path) -> None:
    # Between others these two refer to something.
    bad = [entry for kind, (entry, _) in MISTAKES.items() if kind not in ("nothing before", "itself")]
    file = written(project, [scene(label="good"), *bad, scene(label="end")])
    call = cli("film", "import", file)
    assert (call.code, call.out) == (2, "") and cli("film", "--json").data == []
    told = [line for line in call.errors if line.startswith("problem: scene ") or ": problem: scene " in line]
    assert len(told) == len(bad)
    assert not [line for line in call.errors if "warning:" in line], "a mistake is no warning too"
    assert cli("film", "import", file, "--rest").out == "ep01\n"
    scenes = cli("film", "show", "ep01", "--json").data["scenes"]
    assert [one["label"] for one in scenes] == ["good", "end"]


@pytest.mark.parametrize(
    "content",
    ["", "[", "7", '"x"', "{}", '{"jobs": 3}', "null", "[" * 5000, "[]", '{"name": "x", "jobs": []}', "\ufeff{"],
)
def test_what_is_no_film_is_refused_in_words(cli: Cli, project: Path, content: str) -> None:
    call = cli("film", "import", written(project, content))
    assert (call.code, call.out) == (2, "") and call.err and "Traceback" not in call.err
    assert cli("film", "--json").data == []


@pytest.mark.parametrize("name", ["\ud800", "\x1b[2J", " ", "a\nb"])
def test_a_name_that_cannot_be_shown_makes_no_film(cli: Cli, project: Path, name: str) -> None:
    file = written(project, {"name": f"x{name}", "title": "\ud800", "jobs": [scene()]})
    if name != " ":
        assert cli("film", "import", file, "--rest").code == 2 and cli("film", "--json").data == []
    # Under another name the rest comes: the title is no text.
    assert cli("film", "import", file, "--name", "ep").code == 2
    assert cli("film", "import", file, "--name", "ep", "--rest").code == 0
    [film] = cli("film", "--json").data
    assert film["name"] == "ep" and film["title"] == ""


def test_a_dry_run_stores_nothing(cli: Cli, project: Path) -> None:
    file = written(project, [scene(mood=1), scene(label="b", prompt="")])
    call = cli("film", "import", file, "--dry-run", "--json")
    [plan] = call.data["films"]
    assert call.code == 2 and [one["imported"] for one in plan["scenes"]] == [True, False]
    assert [one["field"] for one in plan["problems"]] == ["scene 2 (b).prompt"]
    assert [one["field"] for one in plan["warnings"]] == ["mood"]
    assert cli("film", "--json").data == []


def test_a_name_that_is_taken_is_refused_and_nothing_doubled(cli: Cli, project: Path) -> None:
    file = written(project, [scene()])
    cli("film", "import", file)
    assert cli("film", "import", file).code == 5
    assert cli("film", "import", file, "--name", "other").out == "other\n"
    assert [film["num_scenes"] for film in cli("film", "--json").data] == [1, 1]


# The way back


def everything(project: Path) -> dict[str, Any]:
    shutil.copy(SAMPLES / "clip.mp4", project / "result" / "reference_to_video" / "1_a.mp4")
    root = str(project)
    clip = {"task_type": "single_shot_extension", "ref_imgs": ...}
    avatar = {"task_type": "talking_avatar", "ref_imgs": ..., "duration": ..., "resolution": "480P"}
    return {
        "name": "ep01",
        "project": "show/a",
        "page_version": 3,
        "jobs": [
            scene(ref_imgs=[f"{root}/ref/hero.png"], audio_text="Era uma vez", voice_id="v7", mood=None),
            scene(
                label="b",
                ref_imgs=[f"{root}/ref/hero.png", f"{root}/ref/street.png"],
                status="done",
                output_video=f"{root}/result/reference_to_video/1_a.mp4",
                image_prompt="a hero",
                input_audio=f"{root}/audio/one.mp3",
                audio_bg=f"{root}/audio/music.mp3",
            ),
            scene(label="c", **clip, input_video="{{job:1}}", prompt="[STATIC_CUT] x\ny", x={"a": [1, None, "é"]}),
            scene(label="d", **clip, input_video="{{prev}}", num_inference_steps=5),
            scene(
                label="e", **avatar, input_image=f"{root}/ref/hero.png", input_audio=f"{root}/audio/one.mp3", notes="n"
            ),
        ],
    }


def test_a_round_trip_loses_nothing(cli: Cli, project: Path, tmp_path: Path) -> None:
    content = everything(project)
    assert cli("film", "import", written(project, content)).code == 0
    back = json.loads(cli("film", "export", "ep01").out)
    assert {key: value for key, value in back.items() if key != "jobs"} == {
        key: value for key, value in content.items() if key != "jobs"
    }
    for before, after in zip(content["jobs"], back["jobs"], strict=True):
        assert {key: after.get(key) for key in before} == before
        assert set(after) - set(before) <= {"duration", "seed", "offload", "low_vram", "resolution"}
    # And what was exported is the same film again.
    target = tmp_path / "again.json"
    cli("film", "export", "ep01", "-o", target)
    assert cli("film", "import", target, "--name", "again").code == 0
    again = json.loads(cli("film", "export", "again").out)
    assert again | {"name": "ep01"} == back


def test_a_film_goes_through_markdown(cli: Cli, project: Path, tmp_path: Path) -> None:
    cli("film", "import", written(project, everything(project)))
    target = tmp_path / "ep.md"
    cli("film", "export", "ep01", "-o", target)
    assert cli("film", "import", target, "--name", "again").code == 0
    one, two = (cli("film", "show", name, "--json").data["scenes"] for name in ("ep01", "again"))
    for key in ("label", "task_type", "request", "narration", "words", "voice", "status"):
        assert [scene[key] for scene in one] == [scene[key] for scene in two], key


def test_a_batch_is_exported_as_a_film_too(cli: Cli, picture: Path) -> None:
    words = ("--profile", "demo", "--resolution", "128P", "--ref_imgs", picture, "--prompt", "x", "--batch", "night")
    cli("add", *words, "--label", "a")
    exported = json.loads(cli("film", "export", "night").out)
    assert exported["jobs"][0]["label"] == "a" and exported["jobs"][0]["profile"] == "demo"


def test_the_old_import_takes_such_files_too(cli: Cli, project: Path) -> None:
    entries = [
        scene(mood=1),
        scene(label="b", task_type="single_shot_extension", ref_imgs=..., input_video="{{job:0}}"),
    ]
    call = cli("import", written(project, {"name": "ep", "jobs": entries}), "--batch", "night")
    assert call.out == "1\n2\n" and "mood: kept with the scene" in call.err
    rows = cli("list", "--json").data
    assert [(row["batch"], row["label"]) for row in rows] == [("night", "street"), ("night", "b")]
    # A mistake still refuses the whole file.
    assert cli("import", written(project, [scene(prompt="", mood=1)], "bad.json")).code == 2
    assert len(cli("list", "--json").data) == 2


def test_what_a_command_can_make_is_awaited_and_no_mistake(cli: Cli, project: Path) -> None:
    speaker = {"task_type": "talking_avatar", "prompt": "x", "profile": "demo", "resolution": "128P"}
    entries = [
        {**speaker, "label": "she", "input_image": "ref/hero.png", "audio_text": "Good evening"},
        {**speaker, "label": "he", "image_prompt": "a man", "input_audio": "audio/one.mp3"},
        {**speaker, "label": "mute", "input_image": "ref/hero.png"},
        scene(label="street", ref_imgs=[], image_prompt="a street"),
    ]
    plan = cli("film", "import", written(project, entries), "--dry-run", "--json").data["films"][0]
    assert [one["field"] for one in plan["problems"]] == ["scene 3 (mute).input_audio"]
    assert [one["field"] for one in plan["waits"]] == [
        "scene 1 (she).input_audio", "scene 2 (he).input_image", "scene 4 (street).ref_imgs",
    ]  # fmt: skip
    assert cli("film", "import", project / "queues" / "ep01.json", "--rest").code == 0
    assert [one["label"] for one in cli("film", "show", "ep01", "--json").data["scenes"]] == ["she", "he", "street"]


def test_prompts_of_pieces_come_as_a_list_and_go_round(cli: Cli, project: Path, tmp_path: Path) -> None:
    piece = {
        "task_type": "single_shot_extension",
        "prompt": "x",
        "profile": "demo",
        "resolution": "128P",
        "duration": 15,
    }
    entry = {**piece, "label": "on", "input_video": "ref/before.mp4", "prompts": ["a\nline", "b"]}
    file = written(project, {"name": "ep", "jobs": [entry]})
    assert cli("film", "import", file, "--json").data["films"][0]["warnings"] == []
    [one] = cli("film", "show", "ep", "--json").data["scenes"]
    assert one["request"]["prompts"] == "a line\nb"
    cli("film", "export", "ep", "-o", tmp_path / "again.json")
    cli("film", "import", tmp_path / "again.json", "--name", "again")
    assert cli("film", "show", "again", "--json").data["scenes"][0]["request"]["prompts"] == "a line\nb"
    call = cli("film", "import", written(project, [{**entry, "prompts": ["a", {"b": 1}]}]), "--dry-run")
    assert call.code == 2 and "scene 1 (on).prompts" in call.err


def test_a_missing_picture_holds_its_scene_in_the_old_import_too(cli: Cli, project: Path) -> None:
    entries = [scene(mood=1), scene(label="b", mood=1, ref_imgs=["ref/none.png"])]
    call = cli("import", written(project, entries))
    assert call.out == "1\n" and "waits: scene 2 (b).ref_imgs: ref/none.png: no such file" in call.err
    assert [one["status"] for one in cli("film", "show", "ep01", "--json").data["scenes"]] == ["queued", "not_begun"]
    again = cli("import", written(project, entries))
    assert again.code == 2 and "there is a film 'ep01' already" in again.err
    # A file of ours is taken whole or not at all.
    assert cli("import", written(project, [scene(), scene(ref_imgs=["ref/none.png"])], "ours.json")).code == 2
    assert len(cli("list", "--json").data) == 1
