"""`estimate`: what a job would take and when it would be done after the queue; nothing is queued."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.front.errors import InvalidRequest
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.fields import add_task_options, asked_request
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.requests.planning import Asked, plan_of
from skyreels_tui.requests.presets import Presets
from skyreels_tui.requests.references import check_request

if TYPE_CHECKING:
    from pipelines.front.plan import Plan
    from pipelines.front.request import Request
    from pipelines.tasks.spec import TaskSpec
    from skyreels_tui.eta.outlook import Machine, Outlook


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `estimate`."""
    add_task_options(parser)
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Say what the job would take, or why it could not run; raises CommandError or InvalidRequest as `add`."""
    from skyreels_tui.eta.outlook import made_facts, takes_facts

    task, request = asked_request(args, context.settings, Presets(context.folders.presets))
    # The prompt changes neither size nor time.
    problems = [problem for problem in check_request(request) if problem.field != "prompt"]
    if problems:
        raise InvalidRequest(problems)
    plan, now = plan_of(Asked(task, request)), context.services.wall_clock().astimezone()
    seen, machine, kind = _look(task, request, plan, context, now)
    if args.json:
        output.data({**_data(task, seen, now), "worker_kind": kind})
        return Exit.OK
    output.line(" · ".join(made_facts(plan)))
    output.line(" · ".join(takes_facts(seen, machine, now)))
    if seen.notice:
        output.line(seen.notice)
    return Exit.OK


def _look(
    task: TaskSpec, request: Request, plan: Plan, context: Context, now: datetime
) -> tuple[Outlook, Machine, str]:
    """Reckon with the queue of this moment, whoever runs it; and of which kind the worker is that would take it."""
    from skyreels_tui.app.machine import machine_of, read_once
    from skyreels_tui.eta.forecast import Forecast
    from skyreels_tui.eta.outlook import look_ahead, turn_of

    services, settings = context.services, context.settings
    with context.queue() as queue:
        reports, status = queue.all_progress(), queue.status()
        forecast = Forecast(queue.plannable, services.rates, lambda: reports, crew=lambda: status.crew).read()
        sample = read_once(queue.owner_pid, queue.engine_memory)
    machine = machine_of(sample, context.result_dir, settings, services.gpu_name(), services.peaks, status)
    starts = forecast.running is not None or status.pause in ("", "hours")
    takes = services.rates.estimate(task.name, plan, forecast.next_kind)
    turn = turn_of(forecast, gpus=plan.gpus, starts=starts)
    seen = look_ahead(request, plan, takes, turn, machine, now, settings.running_hours)
    return seen, machine, forecast.next_kind


def _data(task: TaskSpec, seen: Outlook, now: datetime) -> dict[str, Any]:
    """Times in seconds and ISO with their zone; null for what nobody can say."""
    plan, takes, turn = seen.plan, seen.takes, seen.turn
    return {
        "task_type": task.name,
        "width": plan.width,
        "height": plan.height,
        "num_frames": plan.num_frames,
        "fps": plan.fps,
        "seconds": None if seen.too_slow else round(takes.total_s, 1),
        "learned": takes.learned,
        "jobs_before": turn.jobs,
        "ends_at": None if seen.ends is None else seen.ends.isoformat(timespec="seconds"),
        "ends_in_s": None if seen.ends is None else round((seen.ends - now).total_seconds(), 1),
        "memory_bytes": seen.needs_bytes,
        "disk_bytes": plan.output_bytes + plan.work_bytes,
        "notice": seen.notice,
        "fits": not seen.trouble,
        "trouble": seen.trouble,
    }
