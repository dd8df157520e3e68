"""The runs and outcomes that nominal times lead to."""

from dataclasses import replace
from datetime import datetime

from nborch.work.claims import NewRun
from nborch.work.deployed import Deployment, Outcome, OutcomeKind, ScheduleRecord
from nborch.work.firing import Firing

__all__ = ["missed", "outcome", "run_of"]

#: Missed times of a schedule that are told of one by one; more are told of together.
FEW = 100


def missed(firing: Firing) -> list[Outcome]:
    """Return what is told of the times that were missed."""
    many = firing.missed[: max(0, len(firing.missed) - FEW)]
    outcomes = [outcome(firing.record, e, OutcomeKind.MISSED) for e in firing.missed]
    if not many:
        return outcomes
    together = replace(outcomes[0], last=many[-1], count=len(many))
    return [together, *outcomes[len(many) :]]


def outcome(
    record: ScheduleRecord,
    nominal: datetime,
    kind: OutcomeKind,
    told: str = "",
    *,
    run_id: str | None = None,
) -> Outcome:
    """Return what came of a nominal time."""
    return Outcome(
        schedule_id=record.id,
        nominal=nominal,
        last=nominal,
        kind=kind,
        run_id=run_id,
        told=told,
    )


def run_of(
    record: ScheduleRecord,
    deployment: Deployment,
    nominal: datetime,
    due: datetime,
    *,
    serial: bool,
) -> NewRun:
    """Return the run that is to be made for a nominal time."""
    declared = record.declared
    return NewRun(
        deployment=deployment,
        parameters={**deployment.parameters, **declared.parameters},
        due=due,
        schedule_id=record.id,
        nominal=nominal,
        serial=serial,
    )
