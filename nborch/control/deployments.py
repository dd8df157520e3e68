"""Deployments, in the store of this machine."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nborch.control.forms import (
    Backfilled,
    DeploymentForm,
    DeploymentPage,
    OutcomeForm,
    OutcomePage,
    RunSummary,
    ScheduleForm,
)
from nborch.control.pages import page_of
from nborch.control.runs import LocalRuns
from nborch.control.telling import seconds_of, summaries
from nborch.deploy.entrypoints import told as told_place
from nborch.exceptions import InvalidDeclaration, NotFound
from nborch.work import Deployment, Outcome, ScheduleRecord

__all__ = ["LocalDeployments"]

#: So many of its last runs, and of the next times of each schedule, are told.
LAST, NEXT = 20, 10
#: Nominal times that one backfill may be about.
MOST_TIMES = 10_000


class LocalDeployments(LocalRuns):
    """See and change the deployments in a home; see `nborch.control.base`."""

    def deployments(
        self,
        *,
        flow: str | None = None,
        work_pool: str | None = None,
        q: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DeploymentPage:
        """Return deployments by name."""
        sought = (q or "").strip().lower()
        found = [
            each
            for each in self.home.deployments.list()
            if flow in {None, each.flow_name}
            and work_pool in {None, each.work_pool}
            and sought in each.full_name.lower()
        ]
        found.sort(key=_place)
        page, after = page_of(found, _place, limit, cursor)
        return {"items": [self._form(each) for each in page], "next": after}

    def deployment(self, deployment_id: str) -> DeploymentForm:
        """Return the deployment with exactly this id."""
        return self._form(self._get(deployment_id), counted=True)

    def deployment_called(self, reference: str) -> DeploymentForm:
        """Return the deployment with this id, full name, or name if only one has it."""
        return self._form(self.home.deployments.get(reference), counted=True)

    def outcomes(self, deployment_id: str, *, limit: int = 50) -> OutcomePage:
        """Return what came of the last nominal times of a deployment's schedules."""
        found = self._get(deployment_id)
        outcomes = [
            outcome
            for record in self.home.deployments.schedules(found)
            for outcome in self.home.deployments.outcomes(record.id, limit)
        ]
        outcomes.sort(key=lambda each: each.nominal, reverse=True)
        return {"items": self._outcomes(outcomes[:limit]), "next": None}

    def make_run(  # noqa: PLR0913  # each is a fact of the run
        self,
        deployment_id: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        at: float | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        priority: int = 0,
        idempotency_key: str | None = None,
    ) -> RunSummary:
        """Make a run of a deployment, which waits for a worker."""
        # What it loads nobody needs who only looks (law 7).
        from nborch.deploy.triggering import trigger

        record = trigger(
            self.home,
            self._get(deployment_id),
            parameters or {},
            at=None if at is None else datetime.fromtimestamp(at, UTC),
            name=name,
            tags=tags,
            priority=priority,
            idempotency_key=idempotency_key,
        )
        return summaries([record], self.home.listing, self._counts, whole=True)[0]

    def pause_deployment(self, deployment_id: str) -> DeploymentForm:
        """Let the schedules of a deployment rest."""
        found = self._get(deployment_id)
        return self._form(self.home.deployments.pause(found.id), counted=True)

    def resume_deployment(self, deployment_id: str) -> DeploymentForm:
        """Let the schedules of a deployment go on from now."""
        found = self._get(deployment_id)
        return self._form(self.home.deployments.resume(found.id), counted=True)

    def pause_schedule(self, deployment_id: str, schedule_id: str) -> DeploymentForm:
        """Let one schedule of a deployment rest."""
        return self._set_active(deployment_id, schedule_id, active=False)

    def resume_schedule(self, deployment_id: str, schedule_id: str) -> DeploymentForm:
        """Let one schedule of a deployment go on from now."""
        return self._set_active(deployment_id, schedule_id, active=True)

    def backfill(
        self,
        deployment_id: str,
        *,
        start: float,
        end: float | None = None,
        side_by_side: bool = False,
        dry_run: bool = False,
    ) -> Backfilled:
        """Make the runs that the schedules would have made in a time."""
        found = self._get(deployment_id)
        times = self._times(found, start, time.time() if end is None else end)
        runs: list[str] = []
        for record, nominal in times if not dry_run else ():
            outcomes = self.home.firings.backfill(
                record, found, nominal, side_by_side=side_by_side
            )
            runs += [each.run_id for each in outcomes if each.run_id]
        count = sum(len(nominal) for _, nominal in times)
        return {"made": len(runs), "times": count, "runs": runs}

    def delete_deployment(self, deployment_id: str) -> None:
        """Remove a deployment, and cancel its runs that wait."""
        self.home.deployments.delete(self._get(deployment_id).id)

    def _get(self, deployment_id: str) -> Deployment:
        """Return the deployment with exactly this id."""
        found = self.home.deployments.get(deployment_id)
        if found.id != deployment_id:
            raise NotFound(
                f"No deployment has the id {deployment_id!r}. List them with: "
                "nborch deployment ls"
            )
        return found

    def _times(
        self, found: Deployment, start: float, end: float
    ) -> list[tuple[ScheduleRecord, list[datetime]]]:
        """Return the nominal times of the schedules in a time."""
        first, last = (
            datetime.fromtimestamp(start, UTC),
            datetime.fromtimestamp(end, UTC),
        )
        if first >= last:
            raise InvalidDeclaration(
                f"The time from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} "
                "(UTC) ends before it begins. Give an earlier time to begin with."
            )
        records = self.home.deployments.schedules(found)
        if not records:
            raise InvalidDeclaration(
                f"{found.full_name!r} has no schedule, so it has no times to make up "
                f"for. Run it with: nborch deployment run '{found.full_name}'"
            )
        times = []
        for record in records:
            nominal: list[datetime] = []
            for each in record.declared.schedule.between(first, last):
                nominal.append(each)
                if len(nominal) > MOST_TIMES:
                    raise InvalidDeclaration(
                        f"{found.full_name!r} has more than {MOST_TIMES} times from "
                        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}. Make up for "
                        "a shorter time."
                    )
            times.append((record, nominal))
        return times

    def _set_active(
        self, deployment_id: str, schedule_id: str, *, active: bool
    ) -> DeploymentForm:
        found = self._get(deployment_id)
        known = [each.id for each in self.home.deployments.schedules(found)]
        if schedule_id not in known:
            raise NotFound(
                f"The deployment {found.full_name!r} has no schedule with the id "
                f"{schedule_id!r}. See them with: nborch deployment inspect "
                f"'{found.full_name}'"
            )
        self.home.deployments.set_active(schedule_id, active=active)
        return self._form(self._get(deployment_id), counted=True)

    def _form(self, found: Deployment, *, counted: bool = False) -> DeploymentForm:
        home = self.home
        last = home.listing.last_of(found.id, LAST)
        return {
            "id": found.id,
            "name": found.name,
            "full_name": found.full_name,
            "flow": found.flow_name,
            "description": found.description,
            "entrypoint": told_place(found.entrypoint) if found.entrypoint else "",
            "source": dict(found.entrypoint),
            "parameters": dict(found.parameters),
            "parameter_schema": dict(found.parameter_schema),
            "enforce_schema": found.enforce_schema,
            "work_pool": found.work_pool,
            "lane": found.lane,
            "paused": found.paused,
            "version": found.version,
            "tags": sorted(found.tags),
            "priority": found.priority,
            "concurrency_limit": found.concurrency_limit,
            "max_crashes": found.max_crashes,
            "schedules": [
                _schedule(each) for each in home.deployments.schedules(found)
            ],
            "last": summaries(last, home.listing, self._counts if counted else None),
            "created": seconds_of(found.created),
            "updated": seconds_of(found.updated),
        }

    def _outcomes(self, outcomes: Sequence[Outcome]) -> list[OutcomeForm]:
        ids = [each.run_id for each in outcomes if each.run_id]
        records = self.home.listing.several(ids)
        runs = {each["id"]: each for each in summaries(records, self.home.listing)}
        return [
            {
                "schedule": each.schedule_id,
                "nominal": each.nominal.timestamp(),
                "last": each.last.timestamp(),
                "count": each.count,
                "kind": each.kind.value,
                "told": each.told,
                "run": runs.get(each.run_id or ""),
            }
            for each in outcomes
        ]


def _place(found: Deployment) -> str:
    return found.full_name


def _schedule(record: ScheduleRecord) -> ScheduleForm:
    declared = record.declared
    return {
        "id": record.id,
        "words": declared.schedule.explain(),
        "json": declared.schedule.to_json(),
        "active": record.active,
        "paused_because": record.paused_because,
        "next": [each.timestamp() for each in _next(record)],
        "policy": declared.policy.to_json(),
        "parameters": dict(declared.parameters),
    }


def _next(record: ScheduleRecord) -> Iterator[datetime]:
    """Yield the next times of a schedule, as far as it is known now that they come."""
    # A server answers before it has loaded it (law 7).
    from nborch.work.firing import following

    at, fired = record.next_at, record.fired
    for _ in range(NEXT):
        if at is None:
            return
        yield at
        fired += 1
        at, _due = following(record.id, record.declared, at, fired)
