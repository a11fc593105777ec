"""Every command in the documentation is run, or parsed where it needs a GPU, a download or a terminal."""

from __future__ import annotations

import importlib
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import skyreels_tui
from pipelines.demo import checkpoints
from skyreels_tui.commands import command_named
from skyreels_tui.commands.shared.parser import Parser
from tests.cli.conftest import Call

Cli = Callable[..., Call]
ROOT = Path(skyreels_tui.__file__).parents[1]
SAMPLES = Path(checkpoints.__file__).parent / "samples"
OTHERS = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".github/ISSUE_TEMPLATE/problem.md")
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "doc").glob("*.md"), *(ROOT / name for name in OTHERS)])
PROGRAM = re.compile(r"(?:\S*/)?skyreels-tui$")
PARSED_ONLY = {
    "serve",
    "bench",
    "panel",
    "demo",
    "models",
    "doctor",
    "wait",
    "edit",
    "restart",
    "retry",
    "service",
    "cluster",
}
"""These need a download, a terminal, a GPU, minutes, a systemd, another machine, or
a job in a state that only a reader has."""
RUN_ELSEWHERE = {"cluster.md"}
"""Pages whose every command runs in tests/cluster/test_ray.py, on two machines of its own."""
FOREIGN = {"git", "cd", "tmux", "set", "ssh", "source", "rm", "export", "hf", "reset", "python"}
"""Commands that are not ours: named here so that a mistyped one of ours is noticed."""


def blocks(text: str) -> Iterator[str]:
    """Fenced blocks of shell commands; indented by nothing, without a prompt sign."""
    for kind, content in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if kind in ("sh", "bash"):
            yield content.replace("\\\n", " ")


def commands(text: str) -> list[list[str]]:
    """The words of every command line of a page's shell blocks, in order."""
    lines = (line for block in blocks(text) for line in block.splitlines())
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def described(text: str) -> list[list[str]]:
    """Words of the lines 'skyreels-tui ...   what it does' of blocks that are no shell."""
    plain = [
        content for kind, content in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if not kind
    ]
    found = [re.findall(r"(?:^|')(skyreels-tui .+?)(?:\s{2,}|'|$)", content, re.MULTILINE) for content in plain]
    return [shlex.split(line) for lines in found for line in lines]


def inline(text: str) -> list[list[str]]:
    """Words of `skyreels-tui ...` inside a sentence; CAPITALS stand for something."""
    found = re.findall(r"(?<!`)`((?:\.venv/bin/)?skyreels-tui [^`]+)`(?!`)", text)
    return [shlex.split(one) for one in found]


def developers(text: str) -> list[list[str]]:
    """Words of `python ...` and `make ...`, in a shell block or inside a sentence."""
    found = re.findall(r"(?<!`)`((?:(?:\.venv/bin/)?python3? (?:-m )?[a-z]|make )[^`]+)`(?!`)", text)
    lines = [*commands(text), *map(shlex.split, found)]
    return [words for words in lines if words[0] == "make" or re.fullmatch(r"(.*/)?python3?", words[0])]


def without_redirection(words: list[str]) -> list[str]:
    return words[: words.index(">")] if ">" in words else words


def parse(words: list[str]) -> None:
    """Parse a command line of ours as the program does; raises CommandError."""
    if not words or words[0].startswith("-"):
        assert set(words) <= {"--plain", "--ascii", "--resume", "--version", "--help"}, words
        return
    command = command_named(words[0])
    assert command is not None, f"no command {words[0]}"
    parser = Parser(prog=command.name)
    importlib.import_module(command.module).configure(parser, command.name)
    parser.parse_args([word for word in without_redirection(words)[1:] if word != "--help"])


@pytest.fixture
def desk(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of, and a first job."""
    folder = tmp_path / "work"
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.png", "b.png", "hero.png", "street.png"):
        Image.new("RGB", (96, 64), (90, 30, 200)).save(folder / name)
    shutil.copy(SAMPLES / "clip.mp4", folder / "other.mp4")
    assert cli("add", "--profile", "demo", "--ref_imgs", "a.png", "--prompt", "before").code == 0
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page(cli: Cli, desk: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they stand there, as a reader runs them, with a scripted executor for the models."""
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in commands(text):
        program, rest = words[0], words[1:]
        if PROGRAM.match(program):
            parse(rest)
            is_run_here = page.name not in RUN_ELSEWHERE and rest and rest[0] not in PARSED_ONLY
            if is_run_here and not rest[0].startswith("-"):
                call = cli(*without_redirection(rest))
                assert call.code == 0, f"{shlex.join(words)}: {call.err}"
        elif program == "make":
            assert {word for word in rest if "=" not in word} <= targets, words
        elif program.endswith("/pytest"):
            assert all((ROOT / word).exists() for word in rest if word.startswith("tests/")), words
        elif program.endswith("python") and rest == ["scripts/environments.py"]:
            # It runs all tests: this one among them.
            assert (ROOT / rest[0]).is_file(), words
        elif program.endswith("python") and rest[0].startswith("scripts/"):
            refuses_without_a_picture(ROOT / rest[0], monkeypatch)
            parse(["generate", *rest[1:]])
        else:
            assert program in FOREIGN, f"{page.name}: {shlex.join(words)}"


def refuses_without_a_picture(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script of ours far enough to see that it is one."""
    monkeypatch.setattr(sys, "argv", [str(script)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_inside_sentences(page: Path) -> None:
    text = page.read_text("utf-8")
    for words in [*inline(text), *described(text)]:
        rest = words[1:]
        if any(word.isupper() and len(word) > 1 for word in rest) or len(rest) < 2:
            assert rest[0] == "COMMAND" or command_named(rest[0]), words
        else:
            parse(rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_developer(page: Path) -> None:
    """A target of make that is there, a script or module of ours that has each option, and files that are there."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for program, *words in developers(page.read_text("utf-8")):
        if program == "make":
            assert {word for word in words if "=" not in word} <= targets, words
            continue
        name = words[1].replace(".", "/") if words[0] == "-m" else words[0].removesuffix(".py")
        sources = [ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")]
        taken = "".join(source.read_text("utf-8") for source in sources if source.is_file())
        assert taken, f"{page.name}: {words}"
        if name.startswith("scripts/gerar_"):
            # Its words are those of `generate`: the test of a page parses them.
            continue
        for word in words[2 if words[0] == "-m" else 1 :]:
            if word.startswith("--"):
                assert f'"{word}"' in taken, f"{page.name}: {words} has no {word}"
            elif re.match(r"(doc|tests|bench|scripts|pipelines)/", word) and not word.isupper():
                assert (ROOT / word.replace("FAMILY", "r2v")).exists(), f"{page.name}: {words}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target[0]:
            assert (page.parent / target[0]).exists(), f"{page.name}: {target[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text("utf-8")):
        aimed = (page.parent / target if target else page).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", aimed, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}


def test_the_index_names_every_page() -> None:
    index = (ROOT / "doc" / "index.md").read_text("utf-8")
    for page in (ROOT / "doc").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_both_readmes_have_the_same_commands_and_sections() -> None:
    english, portuguese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.pt-BR.md"))
    assert commands(portuguese) == commands(english)
    assert len(re.findall(r"^##? ", portuguese, re.MULTILINE)) == len(re.findall(r"^##? ", english, re.MULTILINE))
