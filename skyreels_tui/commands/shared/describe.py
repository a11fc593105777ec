"""Jobs and progress as JSON values and as words; the JSON keys are a promise to scripts (doc/cli.md)."""

from __future__ import annotations

from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.language import tr
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.queue.speed import speed_words
from skyreels_tui.words.times import rough_duration

JOB_KEYS: dict[str, tuple[str, str]] = {
    "id": ("number", "stays the same for life"),
    "status": ("text", "queued, held, blocked, running, interrupted, done, failed or cancelled"),
    "task_type": ("text", "name of the task"),
    "label": ("text", "the name a person gave, else task and id"),
    "output": ("text", "path of the finished mp4, '' before"),
    "result_dir": ("text", "the folder it was added for: its mp4 goes to a folder of its task in it"),
    "error": ("text", "what went wrong, in one sentence"),
    "reason": ("text", "why it is held, blocked or interrupted"),
    "reason_code": ("text", "the same as one word that never changes: waits_for_job, died_twice, memory ..., or ''"),
    "suspect": ("text", "why a finished video looks wrong, '' when it does not"),
    "request": ("object", "every field of the task, plus `profile`"),
    "stage": ("text", "load, text, condition, denoise, decode or write"),
    "step": ("number", "finished denoising steps of the segment"),
    "num_steps": ("number", "denoising steps of the segment"),
    "segment": ("number", "index of the piece, from 0"),
    "num_segments": ("number", "pieces"),
    "position": ("number", "order in the queue: smaller runs first"),
    "batch": ("text", "name of the batch, or ''"),
    "retry_of": ("number or null", "id of the job that this one retries"),
    "attempts": ("number", "times it was started"),
    "cancel_requested": ("true or false", "it stops at its next step"),
    "created_at": ("text", "UTC, ISO 8601"),
    "started_at": ("text", "UTC, ISO 8601, or ''"),
    "finished_at": ("text", "UTC, ISO 8601, or ''"),
    "run_seconds": ("number", "seconds spent running, over all attempts"),
    "rested_seconds": ("number", "of them rested between steps, because the GPU was hot or slowed down"),
    "slowed_seconds": ("number", "of them run while heat or power slowed the GPU's clocks"),
    "worker": ("text", "which worker runs it, or ran it last; '' is the process of the queue itself"),
}
"""Key of a job's JSON object -> its type and meaning; keys may be added, none is taken away."""

FILM_KEYS: dict[str, tuple[str, str]] = {
    "name": ("text", "its name: the batch of its jobs"),
    "created_at": ("text", "UTC, ISO 8601"),
    "project": ("text", "folder below the result folder for what is made from it, or ''"),
    "title": ("text", "of the finished film, or ''"),
    "music": ("text", "path of the music under the whole film, or ''"),
    "goes_on": ("true or false", "after a failure `{{prev}}` means the nearest earlier scene that is done"),
    "num_scenes": ("number", "its scenes"),
    "states": ("object", "how many scenes stand where: a job's `status`, or `not_begun`, -> number; no key, no scene"),
    "ends_at": (
        "text or null",
        "`film status` alone: when its last job ends that runs by itself, ISO 8601 with the zone",
    ),
    "scenes": ("list", "`film show` alone: objects with the keys below"),
}
"""Key of a film's JSON object -> its type and meaning; keys may be added, none is taken away."""

SCENE_KEYS: dict[str, tuple[str, str]] = {
    "label": ("text", "its name: the one a person gave, else that of its newest take"),
    "task_type": ("text", "name of the task of its next take"),
    "status": ("text", "a job's `status`, or `not_begun`"),
    "request": ("object", "what its next take is made from"),
    "narration": ("text", "path of the sound that is heard with it, or ''"),
    "words": ("text", "what is said, or ''"),
    "voice": ("text", "which voice says it, or ''"),
    "music": ("text", "path of the music under this scene alone, or ''"),
    "picture_prompt": ("text", "for the picture command, or ''"),
    "notes": ("text", "a person's notes, or ''"),
    "trouble": ("text", "why the voice or the picture command gave nothing the last time, or ''"),
    "kept": ("object", "keys of an imported file that mean nothing to this program"),
    "chosen": ("number or null", "id of the job that stands for it"),
    "takes": ("list", "its jobs, oldest first"),
}
"""Key of a scene's JSON object -> its type and meaning; keys may be added, none is taken away."""

UNREADABLE_LETTERS = 1000
"""Of a damaged request that are shown."""


def job_data(job: Job) -> dict[str, Any]:
    """Return a job as its documented JSON object."""
    return {
        "id": job.id,
        "status": str(job.state),
        "task_type": job.task_type,
        "label": job.label,
        "output": job.output,
        "result_dir": job.result_dir,
        "error": job.error,
        "reason": str(job.reason),
        "reason_code": str(job.reason.code),
        "suspect": job.suspect,
        "request": _object(job.request_json),
        "stage": job.stage,
        "step": job.step,
        "num_steps": job.num_steps,
        "segment": job.segment,
        "num_segments": job.num_segments,
        "position": job.position,
        "batch": job.batch,
        "retry_of": job.retry_of,
        "attempts": job.attempts,
        "cancel_requested": job.cancel_requested,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "run_seconds": round(job.run_seconds, 3),
        "rested_seconds": round(job.rested_s, 3),
        "slowed_seconds": round(job.slowed_s, 3),
        "worker": job.worker,
    }


def film_data(film: Film) -> dict[str, Any]:
    """Return a film as its documented JSON object, without the scenes."""
    states = {str(state): count for state, count in film.counts.items()}
    return {
        "name": film.name,
        "created_at": film.created_at,
        "project": film.project,
        "title": film.facts.title,
        "music": film.facts.music,
        "goes_on": film.facts.goes_on,
        "num_scenes": len(film.scenes),
        "states": states | ({"not_begun": film.not_begun} if film.not_begun else {}),
    }


def scene_data(scene: Scene) -> dict[str, Any]:
    """Return a scene of a film as its documented JSON object."""
    chosen = scene.chosen
    return {
        "label": scene.name,
        "task_type": scene.task,
        "status": "not_begun" if scene.state is None else str(scene.state),
        "request": _object(scene.request_json or scene.takes[-1].request_json),
        "narration": scene.facts.narration,
        "words": scene.facts.words,
        "voice": scene.facts.voice,
        "music": scene.facts.music,
        "picture_prompt": scene.facts.picture_prompt,
        "notes": scene.facts.notes,
        "trouble": scene.facts.trouble,
        "kept": dict(scene.facts.kept),
        "chosen": None if chosen is None else chosen.id,
        "takes": [job_data(take) for take in scene.takes],
    }


def progress_data(event: JobProgress) -> dict[str, Any]:
    """Return a progress event as its documented JSON object."""
    progress = event.progress
    return {
        "event": "progress",
        "id": event.job_id,
        "stage": str(progress.stage),
        "step": progress.step,
        "num_steps": progress.num_steps,
        "segment": progress.segment,
        "num_segments": progress.num_segments,
        "elapsed_s": round(event.elapsed_s, 1),
        "left_s": None if event.left_s is None else round(event.left_s, 1),
    }


def progress_words(event: JobProgress) -> str:
    """Return one line about a running job: 'job 12 denoise 5/8 piece 2/6 12.3 s/step left 00:34'."""
    progress = event.progress
    parts = [tr("job {id}", id=event.job_id), tr(progress.stage)]
    if progress.num_steps:
        parts.append(f"{progress.step}/{progress.num_steps}")
    if progress.num_segments > 1:
        parts.append(tr("piece {number}/{count}", number=progress.segment + 1, count=progress.num_segments))
    if speed := speed_words(event):
        parts.append(speed)
    if progress.detail:
        parts.append(progress.detail)
    if event.left_s is not None:
        spread = event.pace.spread() if event.pace is not None else 1.0
        parts.append(tr("left {time}", time=rough_duration(event.left_s, spread)))
    return " ".join(parts)


def job_state_words(job: Job) -> str:
    """Return a job's state with what belongs to it: 'running 5/8', 'done?' for a suspect result."""
    if job.state in (JobState.RUNNING, JobState.INTERRUPTED) and job.num_steps:
        return f"{tr(job.state)} {job.step}/{job.num_steps}"
    return f"{tr(job.state)}?" if job.suspect else tr(job.state)


def job_line(job: Job) -> str:
    """Return 'job 3 line-02: failed: disk full' or 'job 3 line-02: done: PATH'."""
    rest = job.output if job.state is JobState.DONE else why_words(job)
    line = tr("job {id} {label}: {state}", id=job.id, label=job.label, state=job_state_words(job))
    return f"{line}: {rest}" if rest else line


def why_words(job: Job) -> str:
    """Return what a person should know about a job beside its state, or ''."""
    return job.error or reason_words(job.reason) or job.suspect


def _object(text: str) -> dict[str, Any]:
    """A stored request; one that is no JSON object is shown as the text it is."""
    try:
        content = read_json(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"unreadable": text[:UNREADABLE_LETTERS]}
