"""Deployments as they are declared: a flow, when it runs, with what, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from nborch.deploy.entrypoints import describe, file_version, is_flow, surroundings
from nborch.deploy.parcels import flow_parcels, version_of
from nborch.deploy.schemas import as_json, check_values
from nborch.exceptions import InvalidDeclaration, did_you_mean
from nborch.home import Home
from nborch.schedules import (
    CronSchedule,
    IntervalSchedule,
    Plan,
    Policy,
    RRuleSchedule,
    Schedule,
)
from nborch.specs import checked_tags
from nborch.work import Deployment, DeploymentSchedule

__all__ = ["DeploymentOptions", "declare", "located"]

#: Seconds, or a text such as ``"15m"``.
Interval = float | timedelta | str


class DeploymentOptions(TypedDict, total=False):
    """The options of a deployment, by name and type; `declare` says what they mean."""

    cron: str | Iterable[str] | None
    interval: Interval | Iterable[Interval] | None
    rrule: str | Iterable[str] | None
    timezone: str | None
    anchor_date: datetime | date | str | None
    schedule: Schedule | DeploymentSchedule | None
    schedules: Iterable[Schedule | DeploymentSchedule] | None
    policy: Policy | None
    paused: bool | None
    parameters: Mapping[str, Any] | None
    description: str | None
    tags: Iterable[str] | None
    version: str | None
    enforce_parameter_schema: bool
    work_pool_name: str | None
    concurrency_limit: int | None
    priority: int
    max_crashes: int


def declare(  # noqa: PLR0913  # the options of a deployment
    flow: Any,
    name: str,
    home: Home,
    *,
    cron: str | Iterable[str] | None = None,
    interval: Interval | Iterable[Interval] | None = None,
    rrule: str | Iterable[str] | None = None,
    timezone: str | None = None,
    anchor_date: datetime | date | str | None = None,
    schedule: Schedule | DeploymentSchedule | None = None,
    schedules: Iterable[Schedule | DeploymentSchedule] | None = None,
    policy: Policy | None = None,
    paused: bool | None = None,
    parameters: Mapping[str, Any] | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    enforce_parameter_schema: bool = True,
    work_pool_name: str | None = None,
    concurrency_limit: int | None = None,
    priority: int = 0,
    max_crashes: int = 3,
) -> Deployment:
    """Return a deployment of a flow, checked; it is not put into the store yet.

    Parameters
    ----------
    cron, interval, rrule
        When it runs by itself: one or several of a kind.
    timezone, anchor_date
        What hours and days these mean, and from when intervals are counted.
    schedule, schedules
        The same as values of `nborch.schedules`.
    policy
        What is done about overlaps and missed times.
    paused
        Whether it waits to be resumed before it runs by schedule.
    parameters
        Values in place of the flow's own defaults.
    version
        What it is called; what stands for the content of the code if not given.
    enforce_parameter_schema
        Whether values are checked before a run is made of them.
    work_pool_name
        Whose workers run it; without one, whoever serves it.
    concurrency_limit
        How many of its runs may go on at once.
    priority
        Runs of a greater one begin before others that wait.
    max_crashes
        How many times a run may lose its process before it is not tried again.

    Raises
    ------
    InvalidDeclaration
        Something about it is wrong.
    """
    owner = _checked_owner(flow, name)
    entrypoint, own_version = located(flow, home)
    given = _checked_parameters(flow, owner, parameters or {})
    deployment = Deployment(
        name=name,
        flow_name=flow.name,
        entrypoint=entrypoint,
        parameters=given,
        parameter_schema=flow.parameter_schema(),
        enforce_schema=enforce_parameter_schema,
        work_pool=work_pool_name,
        priority=_count(owner, "priority", priority, least=None),
        version=version or flow.version or own_version,
        paused=bool(paused),
        tags=checked_tags(owner, tags) | flow.tags,
        description=description or flow.description,
        concurrency_limit=None
        if concurrency_limit is None
        else _count(owner, "concurrency_limit", concurrency_limit, least=1),
        max_crashes=_count(owner, "max_crashes", max_crashes, least=1),
    )
    times = _schedules(
        owner, cron, interval, rrule, timezone, anchor_date, schedule, schedules, policy
    )
    for each in times:
        check_values(
            each.parameters, deployment.parameter_schema, owner, complete=False
        )
    return replace(deployment, schedules=times)


def located(flow: Any, home: Home) -> tuple[dict[str, Any], str]:
    """Return where a flow's code is, and what stands for its content.

    What no file holds is kept in the home.
    """
    entrypoint: dict[str, Any] | None = (
        flow.entrypoint() if hasattr(flow, "entrypoint") else describe(flow)
    )
    if entrypoint is not None:
        path = entrypoint["path"]
        return entrypoint, file_version(Path(path))
    digest = flow_parcels(home).keep_flow(flow)
    value = {"kind": "value", "digest": digest, "name": flow.name, **surroundings()}
    return value, version_of(flow, digest)


def _checked_owner(flow: Any, name: str) -> str:
    if not is_flow(flow):
        raise InvalidDeclaration(
            f"{flow!r} is no flow, so it cannot be deployed. Decorate it with @flow."
        )
    if not isinstance(name, str) or not name.strip() or "/" in name:
        raise InvalidDeclaration(
            f"{flow.owner}: a deployment cannot be called {name!r}. Give it a name "
            "without a slash, such as 'nightly'."
        )
    return f"Deployment '{flow.name}/{name}'"


def _checked_parameters(
    flow: Any, owner: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters as JSON, checked by what the flow takes."""
    if not isinstance(parameters, Mapping):
        raise InvalidDeclaration(
            f"{owner}: parameters must be a dict of values by name, not {parameters!r}."
        )
    known = flow.signature.parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for name in parameters:
        if name not in known and not any_name:
            listed = f" It takes: {', '.join(known)}." if known else " It takes none."
            raise InvalidDeclaration(
                f"{owner}: the flow has no parameter {name!r}."
                f"{did_you_mean(name, known) or listed}"
            )
    schema = flow.parameter_schema()
    made = as_json(parameters, owner)
    check_values(made, schema, owner, complete=False)
    return made


def _count(owner: str, option: str, value: Any, *, least: int | None) -> int:
    good = isinstance(value, int) and not isinstance(value, bool)
    if good and (least is None or value >= least):
        return int(value)
    bound = "" if least is None else f" from {least}"
    raise InvalidDeclaration(
        f"{owner}: {option} must be a whole number{bound}, not {value!r}."
    )


def _schedules(  # noqa: PLR0913, PLR0917  # each is an option
    owner: str,
    cron: str | Iterable[str] | None,
    interval: Interval | Iterable[Interval] | None,
    rrule: str | Iterable[str] | None,
    timezone: str | None,
    anchor_date: datetime | date | str | None,
    schedule: Schedule | DeploymentSchedule | None,
    schedules: Iterable[Schedule | DeploymentSchedule] | None,
    policy: Policy | None,
) -> tuple[DeploymentSchedule, ...]:
    """Return the schedules that the options declare."""
    zone: Any = {} if timezone is None else {"timezone": timezone}
    found: list[Schedule | DeploymentSchedule] = []
    found += [CronSchedule(each, **zone) for each in _several(cron, str)]
    anchor: Any = {} if anchor_date is None else {"anchor_date": anchor_date}
    found += [
        IntervalSchedule(each, **anchor, **zone)
        for each in _several(interval, int, float, timedelta, str)
    ]
    found += [RRuleSchedule(each, **zone) for each in _several(rrule, str)]
    if timezone is not None and not found:
        raise InvalidDeclaration(
            f"{owner}: timezone={timezone!r} says nothing without cron, interval or "
            "rrule. A schedule of nborch.schedules has a time zone of its own."
        )
    found += [] if schedule is None else [schedule]
    found += list(schedules or ())
    return tuple(_with_policy(owner, each, policy) for each in found)


def _several(given: Any, *kinds: type) -> list[Any]:
    if given is None:
        return []
    return [given] if isinstance(given, kinds) else list(given)


def _with_policy(
    owner: str, given: Schedule | DeploymentSchedule, policy: Policy | None
) -> DeploymentSchedule:
    if isinstance(given, Plan):
        given = DeploymentSchedule(
            schedule=given.schedule,
            policy=given.policy,
            active=given.active,
            parameters=given.parameters,
        )
    elif isinstance(given, Schedule):
        given = DeploymentSchedule(schedule=given)
    if not isinstance(given, DeploymentSchedule):
        raise InvalidDeclaration(
            f"{owner}: {given!r} is no schedule. Use one of nborch.schedules, such as "
            'CronSchedule("0 8 * * *", timezone="Europe/Berlin").'
        )
    if policy is not None and given.policy == Policy():
        return replace(given, policy=policy)
    return given
