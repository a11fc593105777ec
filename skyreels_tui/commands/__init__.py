"""The commands: one entry each; a command's module is imported only when it runs, so that --help is quick."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.front.language import mark


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `skyreels-tui`."""

    name: str
    summary: str
    """One line, as --help shows it in the chosen language."""
    module: str
    """Has configure(parser, name) and run(name, args, context) -> exit code."""
    reads: tuple[str | None, ...] = ()
    """Its actions (None: the command without one) that change nothing: what they print is all that they do."""


_PACKAGE = "skyreels_tui.commands"

COMMANDS: tuple[Command, ...] = (
    Command("add", mark("put a job in the queue and print its id"), f"{_PACKAGE}.jobs.add"),
    Command("generate", mark("add a job, run it, print the path of its mp4"), f"{_PACKAGE}.jobs.generate"),
    Command(
        "estimate",
        mark("say what a job would take and when it would be done, after the queue"),
        f"{_PACKAGE}.jobs.estimate",
        (None,),
    ),
    Command("list", mark("show the queue"), f"{_PACKAGE}.jobs.show", (None,)),
    Command("show", mark("show one job in full"), f"{_PACKAGE}.jobs.show", (None,)),
    Command("status", mark("say what the queue does at this moment"), f"{_PACKAGE}.jobs.status", (None,)),
    Command("wait", mark("wait until jobs end and print the paths of their mp4"), f"{_PACKAGE}.jobs.wait"),
    Command("cancel", mark("cancel jobs: waiting ones now, a running one at its next step"), f"{_PACKAGE}.jobs.change"),
    Command("retry", mark("add failed or cancelled jobs again; interrupted ones go on"), f"{_PACKAGE}.jobs.change"),
    Command("restart", mark("forget the stored steps of jobs and queue them from step 0"), f"{_PACKAGE}.jobs.change"),
    Command("hold", mark("keep jobs from running"), f"{_PACKAGE}.jobs.change"),
    Command("release", mark("let held jobs queue again"), f"{_PACKAGE}.jobs.change"),
    Command("delete", mark("hide jobs from the list; their files stay"), f"{_PACKAGE}.jobs.change"),
    Command("undelete", mark("bring deleted jobs back"), f"{_PACKAGE}.jobs.change"),
    Command("edit", mark("change the fields of a job that has not begun"), f"{_PACKAGE}.jobs.edit"),
    Command("duplicate", mark("add copies of a job, with other seeds when asked"), f"{_PACKAGE}.jobs.edit"),
    Command("move", mark("change the place of a job in the queue"), f"{_PACKAGE}.jobs.move"),
    Command("pause", mark("stop the queue after the running job, or at its next step"), f"{_PACKAGE}.jobs.pause"),
    Command("unpause", mark("let the queue go on"), f"{_PACKAGE}.jobs.pause"),
    Command("run", mark("work the queue without the app until it is empty"), f"{_PACKAGE}.jobs.run"),
    Command("stop", mark("end the process that runs the queue at its next step"), f"{_PACKAGE}.jobs.status"),
    Command("import", mark("add a batch of jobs from a JSON or Markdown file"), f"{_PACKAGE}.batches.batch"),
    Command("export", mark("write jobs as a JSON or Markdown batch"), f"{_PACKAGE}.batches.batch", (None,)),
    Command("finalize", mark("join the finished clips of a batch into one mp4"), f"{_PACKAGE}.batches.batch"),
    Command(
        "film",
        mark("show films (batches) by scene, choose takes, resume after failures"),
        f"{_PACKAGE}.films.film",
        (None, "list", "show", "status", "export"),
    ),
    Command("results", mark("list finished videos"), f"{_PACKAGE}.jobs.results", (None,)),
    Command("still", mark("make a picture of one frame of a video, or a clip that holds it"), f"{_PACKAGE}.jobs.still"),
    Command(
        "models",
        mark("list, download, verify or remove models"),
        f"{_PACKAGE}.models.models",
        (None, "list", "path"),
    ),
    Command(
        "doctor", mark("say what is wrong with this machine and what mends it"), f"{_PACKAGE}.system.doctor", (None,)
    ),
    Command(
        "self", mark("say how this program was installed and how to upgrade it"), f"{_PACKAGE}.system.self", (None,)
    ),
    Command(
        "quality",
        mark("compute one job exactly and approximately, and say how alike the two are"),
        f"{_PACKAGE}.system.quality",
    ),
    Command("bench", mark("measure this machine with full-size random networks"), f"{_PACKAGE}.system.bench"),
    Command("panel", mark("show one live panel alone, for a tmux pane"), f"{_PACKAGE}.system.panel"),
    Command("settings", mark("show or change settings"), f"{_PACKAGE}.system.settings", (None, "list", "get", "path")),
    Command("demo", mark("make a video of every task with the built-in tiny models"), f"{_PACKAGE}.system.demo"),
    Command("serve", mark("open the app in a browser"), f"{_PACKAGE}.system.serve"),
    Command(
        "service",
        mark("run the queue without a window, as a service of this user"),
        f"{_PACKAGE}.system.service",
        (None, "status"),
    ),
    Command(
        "cluster",
        mark("join machines to one cluster, whose GPUs work on this queue"),
        f"{_PACKAGE}.system.cluster",
        (None, "status", "token"),
    ),
    Command(
        "completion", mark("print a completion script for bash, zsh or fish"), f"{_PACKAGE}.system.completion", (None,)
    ),
)


def command_named(name: str) -> Command | None:
    """Return the command called `name`, or None."""
    return next((command for command in COMMANDS if command.name == name), None)
