"""What a form says of its job before it is queued: what it makes, how long that takes, when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.front.language import tr
from skyreels_tui.eta.outlook import look_ahead, made_facts, takes_facts, turn_of
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.screens.form.check import FormCheck
from skyreels_tui.ui.screens.form.services import FormServices
from skyreels_tui.ui.widgets.fact_lines import FactLines


class FormEstimate(FactLines):
    """Two to five lines under the fields."""

    DEFAULT_CSS = """
    FormEstimate { height: auto; min-height: 2; max-height: 5; padding: 0 1; background: $surface; }
    """

    def __init__(self, services: FormServices, job_id: int | None) -> None:
        """`job_id` is the job that is edited: it has its turn already."""
        super().__init__(id="form-estimate")
        self._services, self._job_id = services, job_id

    def show_check(self, check: FormCheck, wanted: Sequence[str]) -> None:
        """Say what the job takes and when it is done, as of now; without an estimate, the fields that it wants."""
        plan, takes = check.found.plan, check.takes
        if plan is None or takes is None:
            names = ", ".join(dict.fromkeys(wanted))
            self.show(([tr("An estimate comes with: {fields}", fields=names)] if names else [], "$text-muted"))
            return
        app, machine = hub(self), self._services.machine()
        now = app.wall_clock().astimezone()
        turn = turn_of(app.last_forecast, self._job_id, gpus=plan.gpus, starts=app.times.queue_starts)
        hours = self._services.settings.now.running_hours
        seen = look_ahead(check.found.request, plan, takes, turn, machine, now, hours)
        facts = [safe(fact, 300) for fact in takes_facts(seen, machine, now)]
        self.show(
            ([safe(fact, 80) for fact in made_facts(plan)], "bold"),
            (facts, "$text-error" if seen.trouble else ""),
            ([safe(words, 200) for words in (seen.notice, check.warning) if words], "$text-warning"),
        )
