"""The keys of every place but those of tasks and panels, which `keyboard` adds; bindings and footer are made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from textual.binding import Binding, BindingType

from pipelines.front.language import mark, tr

ALWAYS = 99
"""Places in the footer from here on are shown however narrow the terminal is: the way out, and help."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one place."""

    keys: str
    """Textual's names, comma-separated when several do the same."""
    shown: str
    """As the footer and the help print it."""
    action: str
    label: str
    """One or two words for the footer, marked for translation."""
    help: str
    """What it does, in a sentence, marked too."""
    footer: int = 0
    """Place in the footer, 1 is leftmost; 0 leaves it out."""
    priority: bool = False
    """Works even while a text field has the focus."""

    @property
    def name(self) -> str:
        """What the settings call it, unique in its place: 'move(1)' is 'move_1'."""
        return re.sub(r"[(')\"]+", "_", self.action.removeprefix("app.")).strip("_")


@dataclass(frozen=True, slots=True)
class Scope:
    """A place with keys of its own."""

    name: str
    title: str
    keys: tuple[Key, ...]


EVERYWHERE = Scope("everywhere", mark("Everywhere"), (
    Key("question_mark,f1", "?", "help", mark("Help"), mark("Show every key; type to search"), ALWAYS + 1),
    Key("ctrl+p", "Ctrl+P", "command_palette", mark("Commands"), mark("Find any command by name"), 98, True),
    Key("ctrl+q", "Ctrl+Q", "quit", mark("Quit"), mark("Leave; asks first when a job runs"), 0, True),
    Key("ctrl+t", "Ctrl+T", "themes", mark("Theme"), mark("Choose colours, with a live preview")),
    Key("ctrl+z", "Ctrl+Z", "suspend", mark("Suspend"), mark("Back to the shell until fg; not while a job runs here")),
    Key("tab", "Tab", "app.focus_next", mark("Next"), mark("Go to the next panel or field")),
    Key("shift+tab", "Shift+Tab", "app.focus_previous", mark("Previous"), mark("Go to the panel or field before")),
))  # fmt: skip

HOME = Scope("home", mark("Home"), (
    Key("r", "r", "resume", mark("Resume"), mark("Go on with an interrupted job at its stored step"), 1),
    Key("n", "n", "new_job", mark("New"), mark("New job: opens the form of the task used last"), 1),
    Key("enter", "Enter", "open", mark("Open"),
        mark("Show the selected job: request, steps, error, log; a finished one plays"), 2),
    Key("x", "x", "cancel", mark("Cancel"), mark("Cancel the job; a running one stops at its next step"), 3),
    Key("space", "Space", "hold", mark("Hold"), mark("Hold a waiting job, or release a held one"), 4),
    Key("J,shift+down", "J", "move(1)", mark("Later"), mark("Move the job one place later")),
    Key("K,shift+up", "J/K", "move(-1)", mark("Move"), mark("Move the job one place sooner"), 5),
    Key("r", "r", "retry", mark("Retry"), mark("Run again as a new row; restart if the row asks"), 6),
    Key("e", "e", "edit", mark("Edit"), mark("Change a waiting job in the form; it keeps its number and place"), 6),
    Key("t", "t", "run_next", mark("Run next"),
        mark("Put the job before all others that wait; a held one is queued"), 6),
    Key("a", "a", "again", mark("Again"), mark("Open the form filled with this job's request")),
    Key("A", "A", "again_new_seed", mark("Again, new seed"), mark("Open the form with this request and a fresh seed")),
    Key("p", "p", "pause", mark("Pause"), mark("Start no further job after the running one; again to go on"), 7),
    Key("d", "d", "delete", mark("Delete"), mark("Take the job off the list; its files stay"), 8),
    Key("u", "u", "undo", mark("Undo"), mark("Bring back what was deleted last"), 9),
    Key("R", "R", "results", mark("Results"), mark("Finished videos: play, extend, copy"), 10),
    Key("F", "F", "films", mark("Films"), mark("Films: scenes, takes, joining"), 10),
    Key("M", "M", "models", mark("Models"), mark("Models on this machine: check, fetch"), 11),
    Key("D", "D", "doctor", mark("Doctor"), mark("What is wrong with this machine and what mends it"), 12),
    Key("S", "S", "settings", mark("Settings"), mark("Folders, defaults, notifications, looks"), 13),
    Key("slash", "/", "search", mark("Search"), mark("Show only jobs that contain the words you type; Esc shows all")),
    Key("m", "m", "mark", mark("Mark"),
        mark("Mark jobs, or all of a film on its line: cancel, hold, retry, delete and run next act on all of them")),
    Key("z", "z", "fold_film", mark("Fold film"), mark("Fold a film's jobs to one line, or open it")),
    Key("escape", "Esc", "fold", mark("Fold"),
        mark("Close the search, take the marks off, fold the open panel; back to the queue"), ALWAYS),
    Key("q", "q", "app.quit", mark("Quit"), mark("Leave; asks first when a job runs")),
))  # fmt: skip

LIST = Scope("list", mark("In every list"), (
    Key("down,j", "j", "cursor(1)", mark("Down"), mark("One row down")),
    Key("up,k", "k", "cursor(-1)", mark("Up"), mark("One row up")),
    Key("pagedown,ctrl+d", "PgDn", "page(1)", mark("Page down"), mark("One page down")),
    Key("pageup,ctrl+u", "PgUp", "page(-1)", mark("Page up"), mark("One page up")),
    Key("home,g", "g", "first", mark("First"), mark("First row")),
    Key("end,G", "G", "last", mark("Last"), mark("Last row")),
))  # fmt: skip

FORM = Scope("form", mark("New job"), (
    Key("ctrl+s,f10,ctrl+enter", "Ctrl+S", "submit", mark("Queue"),
        mark("Add the job to the queue; also F10 and Ctrl+Enter"), 1, True),
    Key("ctrl+s,f10,ctrl+enter", "Ctrl+S", "save", mark("Save"),
        mark("Change the job that is edited; also F10 and Ctrl+Enter"), 1, True),
    Key("f6", "F6", "next_task", mark("Task"), mark("Form of the next task"), 4, True),
    Key("ctrl+o", "Ctrl+O", "profile", mark("Demo models"),
        mark("Switch between the real and the tiny built-in models"), 5, True),
    Key("ctrl+y", "Ctrl+Y", "copy_command", mark("Copy command"), mark("Copy this job as a shell command"), 6, True),
    Key("f7,ctrl+f", "F7", "history", mark("Earlier"),
        mark("Pick an earlier prompt, or in a file field an earlier file"), 3, True),
    Key("f8,ctrl+l", "F8", "presets", mark("Presets"),
        mark("Forms kept under a name: load, save, make them the defaults"), 3, True),
    Key("f9,ctrl+n", "F9", "seeds", mark("Seeds"),
        mark("Queue this job several times, each with another seed"), 6, True),
    Key("alt+h", "Alt+H", "prompt_help", mark("Prompt help"),
        mark("Translate, enrich or split the prompt: by the endpoint that the settings name"), 0, True),
    Key("f12", "F12", "fetch", mark("Fetch model"), mark("Fetch the model that this task needs; asks first"), 2, True),
    Key("ctrl+r", "Ctrl+R", "reset", mark("Clear"), mark("Empty the form; again to get the old one back"), 7, True),
    Key("down", "Down", "app.focus_next", mark("Next field"), mark("Next field, from a field of one line")),
    Key("up", "Up", "app.focus_previous", mark("Field before"), mark("Field before, from a field of one line")),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave; what was typed is kept as a draft"), ALWAYS),
))  # fmt: skip

FILES = Scope("files", mark("File fields"), (
    Key("enter", "Enter", "add", mark("Add"), mark("Add the typed path; a web address is fetched first")),
    Key("escape", "Esc", "stop_fetch", mark("Stop"), mark("Stop the transfer that runs"), ALWAYS),
    Key("tab", "Tab", "complete", mark("Complete"), mark("Complete the typed path; on an empty line go on")),
    Key("ctrl+g", "Ctrl+G", "browse", mark("Browse"), mark("Choose files from a list of folders"), 2),
    Key("alt+t", "Alt+T", "trim", mark("Trim"),
        mark("Use a part of the video or the recording, or one channel of it"), 2, True),
    Key("J,shift+down", "J", "move(1)", mark("Later"), mark("Move the file down in the order")),
    Key("K,shift+up", "J/K", "move(-1)", mark("Order"), mark("Move the file up in the order"), 2),
    Key("delete,backspace,x", "Del", "remove", mark("Remove"), mark("Take the file off the list"), 2),
    Key("plus,equals_sign", "+", "strengthen(1)", mark("More of it"), mark("A tenth more of the LoRA file")),
    Key("minus", "+/-", "strengthen(-1)", mark("Strength"), mark("A tenth less of the LoRA file"), 2),
))  # fmt: skip

FIELDS = Scope("fields", mark("Other fields"), (
    Key("left", "Left", "choose(-1)", mark("Choose"), mark("The choice before")),
    Key("right", "Right", "choose(1)", mark("Choose"), mark("The next choice")),
    Key("space", "Space", "flip", mark("Toggle"), mark("Turn a yes-or-no field over; the next choice"), 2),
    Key("ctrl+g", "Ctrl+G", "random", mark("Random"), mark("Draw a random value (seed)"), 2),
    Key("ctrl+g", "Ctrl+G", "draw", mark("Draw"), mark("Draw the speakers' regions over the portrait"), 2),
    Key("ctrl+g", "Ctrl+G", "cleaned", mark("Cleaned"), mark("In the prompt: show the text as the model reads it"), 2),
    Key("alt+e", "Alt+E", "editor", mark("Editor"),
        mark("Write the prompt in the editor that VISUAL or EDITOR names"), 3, True),
    Key("enter", "Enter", "toggle_more", mark("More"), mark("Open or close the fields under More"), 2),
))  # fmt: skip

PRESETS = Scope("presets", mark("Presets"), (
    Key("enter", "Enter", "load", mark("Load"), mark("Fill the form with it; what the preset leaves empty stays"), 1),
    Key("s", "s", "save", mark("Save"), mark("Keep the form under a name"), 2),
    Key("delete,d", "Del", "delete", mark("Delete"), mark("Forget the preset"), 3),
    Key("u", "u", "undo", mark("Undo"), mark("Take back the last change made here"), 4),
    Key("D", "D", "defaults", mark("Make defaults"), mark("New forms of this task start with this form's options"), 5),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back to the form"), ALWAYS),
))  # fmt: skip

HISTORY = Scope("history", mark("Earlier prompts and files"), (
    Key("enter", "Enter", "take", mark("Take"), mark("Put it into the field"), 1, True),
    Key("escape", "Esc", "back", mark("Back"), mark("Clear the search, then leave"), ALWAYS, True),
    Key("down", "Down", "scroll(1)", mark("Down"), mark("One row down"), 0, True),
    Key("up", "Up", "scroll(-1)", mark("Up"), mark("One row up"), 0, True),
    Key("pagedown", "PgDn", "scroll(2)", mark("Page down"), mark("One page down"), 3, True),
    Key("pageup", "PgUp", "scroll(-2)", mark("Page up"), mark("One page up"), 4, True),
))  # fmt: skip

SEEDS = Scope("seeds", mark("Same job, several seeds"), (
    Key("enter", "Enter", "take", mark("Queue"), mark("Queue that many jobs, or none"), 1, True),
    Key("escape", "Esc", "back", mark("Back"), mark("Queue nothing"), ALWAYS, True),
))  # fmt: skip

REGIONS = Scope("regions", mark("Who speaks"), (
    Key("enter", "Enter", "take", mark("Take"), mark("Put the regions into the form"), 1),
    Key("left", "Left", "move('left')", mark("Left"), mark("Move the region to the left")),
    Key("right", "Right", "move('right')", mark("Right"), mark("Move the region to the right")),
    Key("up", "Up", "move('up')", mark("Up"), mark("Move the region up")),
    Key("down", "Arrows", "move('down')", mark("Move"), mark("Move the region down"), 2),
    Key("H,shift+left", "H", "grow('left')", mark("Narrower"), mark("Make the region narrower")),
    Key("L,shift+right", "L", "grow('right')", mark("Wider"), mark("Make the region wider")),
    Key("K,shift+up", "K", "grow('up')", mark("Lower"), mark("Make the region less high")),
    Key("J,shift+down", "H/J/K/L", "grow('down')", mark("Size"), mark("Make the region higher"), 3),
    Key("space,tab", "Space", "switch", mark("Switch"), mark("Choose the other region"), 4, True),
    Key("a", "a", "add", mark("Add"), mark("Add a region for a second voice"), 4),
    Key("delete,x", "Del", "remove", mark("Remove"), mark("Take the region away"), 5),
    Key("n", "n", "whole", mark("All of it"), mark("No region: the whole portrait speaks"), 6),
    Key("escape", "Esc", "back", mark("Back"), mark("Back to the form, which keeps what it had"), ALWAYS),
))  # fmt: skip

TRIM = Scope("trim", mark("Part of a video or a recording"), (
    Key("left", "Left", "step(-1)", mark("Back"), mark("One frame back, or a tenth of a second")),
    Key("right", "Right", "step(1)", mark("Step"), mark("One frame on, or a tenth of a second"), 4),
    Key("shift+left,pageup", "PgUp", "leap(-1)", mark("Second back"), mark("A second back")),
    Key("shift+right,pagedown", "PgUp/PgDn", "leap(1)", mark("Second"), mark("A second on"), 5),
    Key("comma", ",", "fine(-1)", mark("Finer back"), mark("In a recording: a hundredth of a second back")),
    Key("full_stop", ",/.", "fine(1)", mark("Finer"), mark("In a recording: a hundredth of a second on"), 6),
    Key("home", "Home", "first", mark("First"), mark("To the beginning of the file")),
    Key("end", "End", "last", mark("Last"), mark("To the end of the file")),
    Key("i", "i", "start", mark("Start"), mark("What is used starts here"), 1),
    Key("o", "o", "end", mark("End"), mark("What is used ends here, with the frame shown"), 2),
    Key("x", "x", "whole", mark("Whole"), mark("Cut nothing"), 3),
    Key("c", "c", "channel", mark("Channel"), mark("Hear the left channel, the right one, or all mixed"), 3),
    Key("enter", "Enter", "take", mark("Take"), mark("Take it over into the form"), 1),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Change nothing"), ALWAYS),
))  # fmt: skip

BROWSE = Scope("browse", mark("File browser"), (
    Key("enter,right,l", "Enter", "choose", mark("Choose"), mark("Open the folder, or take the file"), 1),
    Key("left,backspace,h", "Left", "parent", mark("Up"), mark("To the folder above"), 2),
    Key("space", "Space", "mark", mark("Mark"), mark("Mark several files, then Enter takes them"), 3),
    Key("full_stop", ".", "hidden", mark("Hidden"), mark("Show or hide hidden files"), 4),
    Key("slash", "/", "filter", mark("Filter"),
        mark("Show only names that contain what you type; Enter goes to a typed path"), 5),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave without choosing"), ALWAYS),
))  # fmt: skip

JOB = Scope("job", mark("Job detail"), (
    Key("escape,q", "Esc", "back", mark("Back"), mark("Stop what plays, then back to the list"), ALWAYS),
    Key("enter", "Enter", "play", mark("Play"), mark("Play the finished video here; again stops"), 1),
    Key("left", "Left", "frame(-1)", mark("Frame before"), mark("One frame back"), 0, True),
    Key("right", "Right", "frame(1)", mark("Next frame"), mark("One frame on"), 0, True),
    Key("r", "r", "resume", mark("Resume"), mark("Go on with an interrupted job at its stored step"), 1),
    Key("x", "x", "cancel", mark("Cancel"), mark("Cancel the job; a running one stops at its next step"), 2),
    Key("e", "e", "extend", mark("Extend"), mark("Open the single-shot form with this clip"), 2),
    Key("l", "l", "last_frame", mark("Last frame"), mark("Use the last frame as a reference of a new job"), 3),
    Key("r", "r", "retry", mark("Retry"), mark("Run again as a new row; restart if the row asks"), 3),
    Key("a", "a", "again", mark("Again"), mark("Open the form filled with this job's request"), 4),
    Key("A", "A", "again_new_seed", mark("New seed"), mark("The same with a fresh seed"), 5),
    Key("t", "t", "traceback", mark("Traceback"), mark("Show or hide the traceback of a failed job"), 5),
    Key("y", "y", "copy_path", mark("Copy path"), mark("Copy the path of the finished video"), 6),
    Key("Y", "Y", "copy_scp", mark("scp"), mark("Copy an scp line for fetching the file"), 7),
    Key("c", "c", "copy_command", mark("Copy command"), mark("Copy the job as a shell command"), 8),
    Key("o", "o", "open_player", mark("Open"), mark("Open with the system's player, where there is one")),
))  # fmt: skip

RESULTS = Scope("results", mark("Results"), (
    Key("enter", "Enter", "play", mark("Play"), mark("Play here, in the terminal; again stops"), 1),
    Key("left", "Left", "frame(-1)", mark("Frame before"), mark("One frame back")),
    Key("right", "Right", "frame(1)", mark("Next frame"), mark("One frame on")),
    Key("o", "o", "open_player", mark("Open"), mark("Open with the system's player, where there is one")),
    Key("c", "c", "compare", mark("Compare"),
        mark("Play the two marked videos side by side, with the fields in which they differ"), 1),
    Key("J", "J", "join", mark("Join"), mark("Join the marked videos to one, in the order they were marked"), 1),
    Key("e", "e", "extend", mark("Extend"), mark("Open the single-shot form with this clip"), 2),
    Key("l", "l", "last_frame", mark("Last frame"),
        mark("Use the last frame as a reference of a new job; those of several together"), 3),
    Key("L", "L", "still", mark("Still"), mark("Start again from the frame shown: as reference, portrait or video"), 4),
    Key("a", "a", "again", mark("Again"),
        mark("Open the form with this video's request; those of several are queued after a question"), 4),
    Key("A", "A", "again_new_seed", mark("New seed"), mark("The same with a fresh seed"), 5),
    Key("y", "y", "copy_path", mark("Copy path"), mark("Copy the path, or those of all marked"), 6),
    Key("Y", "Y", "copy_scp", mark("scp"), mark("Copy an scp line for fetching the file, or all marked"), 7),
    Key("space", "Space", "mark", mark("Mark"), mark("Mark videos to compare, to join, or to act on together"), 8),
    Key("asterisk", "*", "star", mark("Star"), mark("Give a star to the video, or the marked ones; again takes it"), 9),
    Key("n", "n", "note", mark("Note"), mark("Write a note on the video, or the marked ones"), 10),
    Key("slash", "/", "search", mark("Search"),
        mark("Show only what has the words you type in label, prompt, seed or note"), 11),
    Key("f", "f", "filter", mark("Filter"),
        mark("Show only those with a star, with a note, or of one task; again: the next"), 12),
    Key("s", "s", "sort", mark("Sort"), mark("Another order: newest, oldest, label, seed, size, length"), 13),
    Key("r", "r", "rename", mark("Rename"), mark("Give the video and its sidecar another name"), 14),
    Key("delete,d", "Del", "trash", mark("Trash"),
        mark("Move the video and its sidecar, or the marked ones, to the trash"), 15),
    Key("u", "u", "undo", mark("Undo"), mark("Bring back what went to the trash last"), 16),
    Key("escape,q", "Esc", "back", mark("Back"),
        mark("Stop what plays, close search and filter, unmark all, then back home"), ALWAYS),
))  # fmt: skip

COMPARE = Scope("compare", mark("Two videos side by side"), (
    Key("enter,space", "Enter", "play", mark("Play"), mark("Play both from the beginning; again stops"), 1),
    Key("left", "Left", "frame(-1)", mark("Frame before"), mark("Both one frame back"), 2),
    Key("right", "Right", "frame(1)", mark("Next frame"), mark("Both one frame on"), 3),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Stop what plays, then back to the list"), ALWAYS),
))  # fmt: skip

NOTE = Scope("note", mark("Note on a video"), (
    Key("enter", "Enter", "keep", mark("Keep"), mark("Write the note; an empty one is taken away"), 1),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave the note as it is"), ALWAYS, True),
))  # fmt: skip

FILMS = Scope("films", mark("Films"), (
    Key("enter", "Enter", "open", mark("Open"), mark("The scenes of the film"), 1),
    Key("r", "r", "run", mark("Run"), mark("Queue every scene that is not done and for which nothing waits"), 2),
    Key("R", "R", "resume", mark("Resume"), mark("Failed scenes again; what waits for them follows"), 3),
    Key("space", "Space", "hold", mark("Hold"), mark("Hold every job of the film that waits"), 4),
    Key("x", "x", "cancel", mark("Cancel"), mark("Cancel every job of the film that has not ended"), 5),
    Key("n", "n", "new", mark("New"), mark("Begin a film: name, project, title, music"), 6),
    Key("i", "i", "import", mark("Import"), mark("Make films from a file, after a look at what would be made"), 7),
    Key("e", "e", "edit", mark("Edit"), mark("Change project, title and music of the film"), 8),
    Key("J,m", "J", "join", mark("Join"), mark("Queue what makes one video of the chosen takes"), 9),
    Key("E", "E", "export", mark("Export"), mark("Write the film as a file that import reads"), 10),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back home"), ALWAYS),
))  # fmt: skip

FILM = Scope("film", mark("Scenes of a film"), (
    Key("enter", "Enter", "play", mark("Play"), mark("Play the chosen take here; again stops"), 1),
    Key("p", "p", "play_all", mark("Play film"),
        mark("Play the chosen takes from this scene on, one after the other"), 8),
    Key("n", "n", "new", mark("New"), mark("Add a scene below this one: opens the form"), 3),
    Key("e", "e", "edit", mark("Edit"),
        mark("Change the scene's request in the form; its next take is made from it"), 4),
    Key("s", "s", "sound", mark("Sound"), mark("Narration, its words and voice, music and notes of the scene"), 5),
    Key("v", "v", "voice", mark("Voice"), mark("Let the voice command speak the words of the marked scenes")),
    Key("i", "i", "picture", mark("Picture"), mark("Let the picture command draw what the marked scenes ask for")),
    Key("h", "h", "prompt_help", mark("Prompt help"),
        mark("Translate, enrich or split the prompts of the marked scenes, looked at one by one")),
    Key("a", "a", "duplicate", mark("Duplicate"), mark("Copy the marked scenes, each below its own")),
    Key("r", "r", "run", mark("Run"), mark("Queue the marked scenes, or all, that are not done"), 2),
    Key("f", "f", "run_from", mark("From here"), mark("Queue what is not done from this scene on"), 6),
    Key("R", "R", "resume", mark("Resume"), mark("Failed scenes again; what waits for them follows"), 6),
    Key("t", "t", "another", mark("Take"), mark("One more take of the marked scenes, each with a new seed"), 5),
    Key("c", "c", "choose", mark("Choose"), mark("Another finished take stands for the scene"), 9),
    Key("space", "Space", "mark", mark("Mark"), mark("Mark scenes to act on together"), 7),
    Key("J,shift+down", "J", "move(1)", mark("Later"), mark("Move the scene one place later")),
    Key("K,shift+up", "J/K", "move(-1)", mark("Move"), mark("Move the scene one place sooner"), 8),
    Key("d,delete", "d", "remove", mark("Remove"), mark("Take the marked scenes and their takes out of the film"), 9),
    Key("u", "u", "undo", mark("Undo"), mark("Bring back the scenes removed last"), 10),
    Key("o", "o", "open", mark("Job"), mark("Show the take as a job: request, steps, error, log"), 11),
    Key("m", "m", "join", mark("Make film"), mark("Queue what makes one video of the chosen takes"), 12),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Stop what plays, then back to the films"), ALWAYS),
))  # fmt: skip

IMPORT = Scope("import", mark("Before a film is imported"), (
    Key("y,enter", "y", "take", mark("Import"), mark("Make the films; nothing is queued before they are run"), 1),
    Key("r", "r", "rest", mark("The rest"), mark("Leave out scenes with mistakes and import the others"), 2),
    Key("w", "w", "fetch", mark("Fetch"), mark("Fetch the web addresses that the file names, once it is imported"), 3),
    Key("l", "l", "look_in", mark("Look in"), mark("Name a folder in which its files may be too"), 4),
    Key("n", "n", "name", mark("Name"), mark("Give the film another name"), 5),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Import nothing"), ALWAYS),
))  # fmt: skip

WRITTEN = Scope("written", mark("What is known of a film or a scene"), (
    Key("ctrl+s,f10", "Ctrl+S", "save", mark("Save"), mark("Keep what stands here; also F10"), 1, True),
    Key("escape", "Esc", "back", mark("Back"), mark("Change nothing"), ALWAYS),
))  # fmt: skip

PROMPT_HELP = Scope("prompt-help", mark("Prompt help"), (
    Key("ctrl+s,f10", "Ctrl+S", "take", mark("Take"), mark("Take the words as they stand here"), 1, True),
    Key("f6", "F6", "translate", mark("Translate"), mark("Ask for the prompt in English"), 2, True),
    Key("f7", "F7", "enrich", mark("Enrich"), mark("Ask for a prompt that says more, fit for the task"), 3, True),
    Key("f8", "F8", "shots", mark("Shots"), mark("Ask for the prompt as shots, one line each"), 4, True),
    Key("escape", "Esc", "drop", mark("Drop"), mark("Leave the prompt as it is; stop asking"), ALWAYS, True),
))  # fmt: skip

LINE = Scope("line", mark("A question that a line answers"), (
    Key("enter", "Enter", "keep", mark("Take"), mark("Take what stands in the line"), 1),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave everything as it is"), ALWAYS),
))  # fmt: skip

RENAME = Scope("rename", mark("Renaming a video"), (
    Key("enter", "Enter", "keep", mark("Rename"), mark("Give the video this name"), 1),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave the name as it is"), ALWAYS),
))  # fmt: skip

STILL = Scope("still", mark("A frame of a video"), (
    Key("r", "r", "reference", mark("Reference"), mark("A reference of a new video"), 1),
    Key("p", "p", "portrait", mark("Portrait"), mark("The portrait of a talking avatar"), 2),
    Key("v", "v", "held", mark("Video"), mark("Held 25 frames and continued by single shot (experimental)"), 3),
    Key("escape", "Esc", "back", mark("Back"), mark("Keep the picture beside the video and open no form"), ALWAYS),
))  # fmt: skip

MODELS = Scope("models", mark("Models"), (
    Key("w", "w", "download", mark("Fetch"),
        mark("Fetch what is missing or damaged, after a question; go on after a pause"), 1),
    Key("p", "p", "pause", mark("Pause"), mark("Stop the download or check; what came stays, w goes on"), 2),
    Key("c", "c", "cancel", mark("Cancel"), mark("Take the download or check off the list"), 3),
    Key("v", "v", "verify", mark("Verify"), mark("Read every file and compare it with its checksum"), 4),
    Key("enter", "Enter", "files", mark("Files"), mark("Every file with its bytes, here or on the hub"), 5),
    Key("u", "u", "use", mark("Use folder"), mark("Take the model from a folder of your own"), 6),
    Key("U", "U", "use_cache", mark("Use cache"), mark("Go back from your own folder to the shared cache"), 6),
    Key("X,delete", "X", "purge", mark("Delete"), mark("Delete the model from the shared cache, after a question"), 7),
    Key("y", "y", "copy", mark("Copy command"), mark("Copy the shell command that does it"), 8),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back home; downloads go on"), ALWAYS),
))  # fmt: skip

FETCH = Scope("fetch", mark("Before a model is fetched"), (
    Key("y", "y", "take(0)", mark("Fetch"), mark("Fetch everything that is missing, and accept the licence"), 1),
    Key("1", "1", "take(1)", mark("First task"), mark("Fetch only what the first task listed needs"), 2),
    Key("2", "2", "take(2)", mark("Second task"), mark("Fetch only what the second task listed needs"), 3),
    Key("escape,n", "Esc", "no", mark("No"), mark("Fetch nothing"), ALWAYS),
))  # fmt: skip

MODEL_FILES = Scope("model-files", mark("Files of a model"), (
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back to the models"), ALWAYS),
))  # fmt: skip

MODEL_FOLDER = Scope("model-folder", mark("Folder of a model"), (
    Key("enter", "Enter", "submit", mark("Use"), mark("Look whether the folder holds the model, then use it"), 1),
    Key("tab", "Tab", "complete", mark("Complete"), mark("Complete the typed path"), 2, True),
    Key("escape", "Esc", "back", mark("Back"), mark("Change nothing"), ALWAYS, True),
))  # fmt: skip

DOCTOR = Scope("doctor", mark("Doctor"), (
    Key("r", "r", "again", mark("Check again"), mark("Run every check again"), 1),
    Key("y", "y", "copy", mark("Copy fix"), mark("Copy the command that mends the selected finding"), 2),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back home"), ALWAYS),
))  # fmt: skip

SETTINGS = Scope("settings", mark("Settings"), (
    Key("ctrl+s,f10", "Ctrl+S", "save", mark("Save"), mark("Write the settings file"), 1, True),
    Key("f5", "F5", "test", mark("Test"), mark("Send a test through hook and webhook as they stand here"), 2, True),
    Key("escape", "Esc", "back", mark("Back"), mark("Leave without saving; asks when something changed"), ALWAYS),
))  # fmt: skip

TEXT = Scope("text", mark("A text to select"), (
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back to where it came from"), ALWAYS),
))  # fmt: skip

HELP = Scope("help", mark("Help"), (
    Key("escape", "Esc", "back", mark("Back"), mark("Clear the search, then leave"), ALWAYS, True),
    Key("down", "Down", "scroll(1)", mark("Down"), mark("One row down"), 0, True),
    Key("up", "Up", "scroll(-1)", mark("Up"), mark("One row up"), 0, True),
    Key("pagedown", "PgDn", "scroll(2)", mark("Page down"), mark("One page down"), 2, True),
    Key("pageup", "PgUp", "scroll(-2)", mark("Page up"), mark("One page up"), 3, True),
))  # fmt: skip

THEMES = Scope("themes", mark("Theme picker"), (
    Key("enter", "Enter", "keep", mark("Keep"), mark("Keep this theme, for the next start too"), 1),
    Key("escape,q", "Esc", "back", mark("Back"), mark("Back to the theme before"), ALWAYS),
))  # fmt: skip

ALONE = Scope("alone", mark("One panel alone"), (
    Key("q", "q", "quit", mark("Quit"), mark("Leave"), 1, True),
))  # fmt: skip

CONFIRM = Scope("confirm", mark("Questions"), (
    Key("y", "y", "yes", mark("Yes"), mark("Do what the question says"), 1),
    Key("escape,n", "Esc", "no", mark("No"), mark("Leave everything as it is"), ALWAYS),
))  # fmt: skip

UNUSABLE = Scope("unusable", mark("When the queue cannot be read"), (
    Key("r", "r", "restore", mark("Last good copy"), mark("Go on with the newest backup, when there is one"), 1),
    Key("n", "n", "start_new", mark("New queue"), mark("Begin with an empty queue; the bad file is kept"), 2),
    Key("q", "q", "leave", mark("Leave"), mark("Change nothing"), 3),
))  # fmt: skip

LEAVE = Scope("leave", mark("Leaving while a job runs"), (
    Key("b", "b", "background", mark("Background"), mark("Go on in the background; this terminal is free"), 3),
    Key("s", "s", "stop", mark("Stop and leave"),
        mark("Stop at the next step; the job goes on from there next time"), 1),
    Key("f", "f", "finish", mark("Finish without screen"), mark("Leave the screen; this terminal finishes the job"), 2),
    Key("escape", "Esc", "back", mark("Stay"), mark("Stay"), ALWAYS),
))  # fmt: skip

SCOPES = (
    EVERYWHERE, HOME, LIST, FORM, FILES, FIELDS, PRESETS, HISTORY, SEEDS, REGIONS, TRIM, BROWSE, JOB, RESULTS, COMPARE,
    NOTE,
    FILMS, FILM, IMPORT, WRITTEN, PROMPT_HELP, LINE, RENAME, STILL,
    MODELS, FETCH, MODEL_FILES, MODEL_FOLDER, DOCTOR, SETTINGS, TEXT, HELP, THEMES, ALONE,
    CONFIRM, UNUSABLE, LEAVE,
)  # fmt: skip


def binding_id(scope: Scope, key: Key) -> str:
    """Names one binding of Textual's."""
    return f"{scope.name}.{key.action}"


@cache
def _named() -> dict[str, tuple[str, Key]]:
    return {f"{scope.name}.{key.name}": (binding_id(scope, key), key) for scope in SCOPES for key in scope.keys}


def key_of(name: str, chosen: Mapping[str, str]) -> str:
    """The key of an action, 'home.pause' as the settings name it, as a person reads it; `chosen` has their own."""
    binding, key = _named()[name]
    keys = chosen.get(binding, "")
    return key_words(printed(keys.split(",")[0]) if keys and keys != key.keys else key.shown)


_footer_places: dict[str, int] = {}
"""Id of a binding -> its place in the footer, kept as bindings are made: Textual hands on no field of ours."""


def bindings(scope: Scope, *actions: str) -> list[BindingType]:
    """Return Textual's bindings of a scope, or of those of its keys whose action is named."""
    _footer_places.update({binding_id(scope, key): key.footer for key in scope.keys if key.footer})
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.footer > 0,
            key_display=key.shown,
            priority=key.priority,
            id=binding_id(scope, key),
        )
        for key in scope.keys
        if not actions or key.action.partition("(")[0] in actions
    ]


def footer_place(binding: Binding) -> int | None:
    """Its place in the footer, 1 is leftmost; None when it has none."""
    return _footer_places.get(binding.id or "")


_WORDS = (mark("Space"), mark("Left"), mark("Right"), mark("Up"), mark("Down"))
"""Names of keys that keyboards print in their own language or not at all."""


def key_words(shown: str) -> str:
    """The name of a key, as `printed` gives it, in the chosen language."""
    return "+".join(tr(part) if part in _WORDS else part for part in shown.split("+"))


_PRINTED = {"question_mark": "?", "full_stop": ".", "comma": ",", "asterisk": "*", "slash": "/",
            "pagedown": "PgDn", "pageup": "PgUp", "escape": "Esc", "delete": "Del",
            "plus": "+", "minus": "-"}  # fmt: skip


def printed(name: str) -> str:
    """Textual's name of a key as a person reads it: 'ctrl+s' -> 'Ctrl+S'."""
    if name in _PRINTED:
        return _PRINTED[name]
    if len(name) == 1:
        return name
    return "+".join(_PRINTED.get(part, part.capitalize()) for part in name.split("+"))
