"""The commands: one entry each; a command's module is imported only when it runs, so that --help is quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `skyreels-tui`."""

    name: str
    summary: str
    """One line, as --help shows it."""
    module: str
    """Has configure(parser, name) and run(name, args, context) -> exit code."""


_PACKAGE = "skyreels_tui.commands"

COMMANDS: tuple[Command, ...] = (
    Command("add", "put a job in the queue and print its id", f"{_PACKAGE}.add"),
    Command("generate", "add a job, run it, print the path of its mp4", f"{_PACKAGE}.generate"),
    Command("list", "show the queue", f"{_PACKAGE}.show"),
    Command("show", "show one job in full", f"{_PACKAGE}.show"),
    Command("wait", "wait until jobs end and print the paths of their mp4", f"{_PACKAGE}.wait"),
    Command("cancel", "cancel jobs: waiting ones now, a running one at its next step", f"{_PACKAGE}.change"),
    Command("retry", "add failed or cancelled jobs again; interrupted ones go on", f"{_PACKAGE}.change"),
    Command("restart", "forget the stored steps of jobs and queue them from step 0", f"{_PACKAGE}.change"),
    Command("hold", "keep jobs from running", f"{_PACKAGE}.change"),
    Command("release", "let held jobs queue again", f"{_PACKAGE}.change"),
    Command("delete", "hide jobs from the list; their files stay", f"{_PACKAGE}.change"),
    Command("undelete", "bring deleted jobs back", f"{_PACKAGE}.change"),
    Command("edit", "change the fields of a job that has not begun", f"{_PACKAGE}.edit"),
    Command("duplicate", "add copies of a job, with other seeds when asked", f"{_PACKAGE}.edit"),
    Command("move", "change the place of a job in the queue", f"{_PACKAGE}.move"),
    Command("pause", "stop the queue after the running job, or at its next step", f"{_PACKAGE}.pause"),
    Command("unpause", "let the queue go on", f"{_PACKAGE}.pause"),
    Command("run", "work the queue without the app until it is empty", f"{_PACKAGE}.run"),
    Command("import", "add a batch of jobs from a JSON or Markdown file", f"{_PACKAGE}.batch"),
    Command("export", "write jobs as a JSON or Markdown batch", f"{_PACKAGE}.batch"),
    Command("finalize", "join the finished clips of a batch into one mp4", f"{_PACKAGE}.batch"),
    Command("results", "list finished videos", f"{_PACKAGE}.results"),
    Command("models", "list, download, verify or remove checkpoints", f"{_PACKAGE}.models"),
    Command("doctor", "say what is wrong with this machine and what mends it", f"{_PACKAGE}.doctor"),
    Command("bench", "measure this machine with full-size random networks", f"{_PACKAGE}.bench"),
    Command("panel", "show one live panel alone, for a tmux pane", f"{_PACKAGE}.panel"),
    Command("settings", "show or change settings", f"{_PACKAGE}.settings"),
    Command("demo", "make a video of every task with the built-in tiny models", f"{_PACKAGE}.demo"),
    Command("serve", "open the app in a browser", f"{_PACKAGE}.serve"),
    Command("completion", "print a completion script for bash, zsh or fish", f"{_PACKAGE}.completion"),
)


def command_named(name: str) -> Command | None:
    """Return the command called `name`, or None."""
    return next((command for command in COMMANDS if command.name == name), None)
