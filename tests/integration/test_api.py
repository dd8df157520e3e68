"""The JSON API: as it is described, and unmoved by what strangers send."""

import json
import time
from urllib.parse import quote

import pytest
from serving import Served

from nborch.control.local import LocalControl
from nborch.control.routes import ROUTES
from nborch.home import Home
from nborch.schedules import CronSchedule
from nborch.server.api import ALL
from nborch.settings import Settings
from nborch.work import Deployment, DeploymentSchedule, WorkPool

pytestmark = pytest.mark.timeout(120)

SCHEMA = {
    "type": "object",
    "properties": {"month": {"type": "integer"}, "when": {"type": "string"}},
    "additionalProperties": False,
}
#: In every text that a person may choose, sooner or later.
STRANGE = {
    "a path upwards": "../../../../etc/passwd",
    "a path": "/etc/passwd",
    "a device": "CON",
    "nothing": "\0",
    "long": "x" * 190,
    "backwards": "\u202egnp.exe",
    "two lines": "a\nb",
    "a terminal": "\x1b]8;;http://evil\x07x\x1b[31m",
    "HTML": "<img src=x onerror=alert(1)>",
    "SQL": "'; DROP TABLE run; --",
    "LIKE": "%_%",
    "JSON": '"}]',
    "a template": "{task.__globals__}",
    "an option": "--help",
    "prototype": "__proto__",
    "a reference": "%2e%2e%2f",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a little of everything."""
    folder = tmp_path_factory.mktemp("api") / "home"
    home = Home(Settings(folder, folder / "secret.key"))
    home.pools.put(WorkPool(name="pool"))
    schedule = DeploymentSchedule(schedule=CronSchedule("0 8 * * *"))
    home.deployments.put(
        Deployment(
            name="nightly",
            flow_name="report",
            parameter_schema=SCHEMA,
            work_pool="pool",
            schedules=(schedule,),
            entrypoint={"kind": "module", "module": "reports", "name": "report"},
        )
    )
    yield home
    home.close()


@pytest.fixture(scope="module")
def served(home):
    """A server of it."""
    with Served(home.folder) as server:
        yield server


@pytest.fixture(scope="module")
def known(home):
    """Ids that are there, for most of what is sent."""
    control = LocalControl(home)
    deployment = control.deployment_called("report/nightly")
    made = control.make_run(deployment["id"], at=4e9)
    control.put_limit("api", slots=2)
    return {
        "run": made["id"],
        "node": made["id"],
        "deployment": deployment["id"],
        "schedule": deployment["schedules"][0]["id"],
    }


def test_each_address_is_described(served):
    """The server answers with the description of all that it has."""
    told = served.get("/api/openapi.json").json

    operations = {
        each["operationId"] for of in told["paths"].values() for each in of.values()
    }
    assert told["openapi"] == "3.1.0"
    assert operations >= {route.name for route in ROUTES} | {"graph", "stream", "cell"}
    unknown = [
        ref
        for ref in _references(told)
        if ref.rpartition("/")[2] not in told["components"][ref.split("/")[2]]
    ]
    assert unknown == []
    from jsonschema import Draft202012Validator

    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def _references(told):
    """Yield all that is referred to in a document."""
    if isinstance(told, dict):
        yield from (value for name, value in told.items() if name == "$ref")
        told = told.values()
    if not isinstance(told, str | int | float | bool | None):
        for each in told:
            yield from _references(each)


# Problems.


@pytest.mark.parametrize(
    ("path", "status", "slug", "told"),
    [
        ("runs/nope", 404, "not-found", "No run has the id 'nope'"),
        ("nope", 404, "not-found", "The API has nothing"),
        ("", 404, "not-found", "The API has nothing"),
        ("runs/", 404, "not-found", "The API has nothing"),
        ("runs/x/", 404, "not-found", "The API has nothing"),
        ("runs//log", 404, "not-found", "The API has nothing"),
        ("Runs", 404, "not-found", "The API has nothing"),
        ("runs;x", 404, "not-found", "The API has nothing"),
        ("runs/x/health", 404, "not-found", "The API has nothing"),
        ("runs/%2e%2e%2fhealth", 404, "not-found", "No run has the id '../health'"),
        ("runs?limit=0", 422, "invalid-request", "limit must be at least 1"),
        ("runs?limit=1e9", 422, "invalid-request", "limit must be of the type integer"),
        (
            "runs?limit=5&limit=6",
            422,
            "invalid-request",
            "limit is given more than once",
        ),
        ("runs?since=nan", 422, "invalid-request", "since must be of the type number"),
        ("runs?since=inf", 422, "invalid-request", "since must be of the type number"),
        ("runs?state=DONE", 422, "invalid-request", r"state[0] must be one of SCHED"),
        ("runs?top=maybe", 422, "invalid-request", "top must be of the type boolean"),
        ("runs?colour=red", 422, "invalid-request", "colour is not known here"),
        ("runs?q=%ff", 400, "bad-request", "The query is no UTF-8"),
        ("runs?q=" + "x" * 201, 422, "invalid-request", "must have 200 characters"),
        ("runs?cursor=x", 422, "invalid", "is no cursor"),
        ("runs/called", 422, "invalid-request", "reference is missing"),
        ("runs/history?bins=0", 422, "invalid-request", "bins must be at least 1"),
        ("runs/history?since=2&until=1", 422, "invalid", "There is no history"),
        ("work-pools/none", 404, "not-found", "No work pool is called 'none'"),
    ],
)
def test_a_refusal_is_told_in_words(served, path, status, slug, told):
    """A refusal is a problem document whose type stays and whose detail helps."""
    answer = served.get(f"/api/{path}")

    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["type"] == f"urn:nborch:{slug}"
    assert problem["status"] == status
    assert told in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug", "told"),
    [
        ("POST", "work-pools", {}, 422, "invalid-request", "name is missing"),
        (
            "POST",
            "work-pools",
            [],
            422,
            "invalid-request",
            "must be of the type object",
        ),
        (
            "POST",
            "work-pools",
            {"name": ""},
            422,
            "invalid-request",
            "must not be empty",
        ),
        ("POST", "work-pools", {"name": "a/b"}, 422, "invalid", "without a slash"),
        (
            "POST",
            "work-pools",
            {"name": "x", "colour": 1},
            422,
            "invalid-request",
            "not known",
        ),
        ("POST", "work-pools", {"name": "pool"}, 409, "already-exists", "exists"),
        (
            "PATCH",
            "work-pools/pool",
            {"limit": True},
            422,
            "invalid-request",
            "of the type integer",
        ),
        ("DELETE", "work-pools/pool", None, 422, "invalid", "is used by"),
        ("PUT", "work-pools", {}, 405, "method-not-allowed", "cannot be done"),
        (
            "POST",
            "concurrency-limits",
            {"name": "x", "slots": 1.5},
            422,
            "invalid-request",
            "integer",
        ),
        (
            "PUT",
            "concurrency-limits/x",
            {"slots": 1e300},
            422,
            "invalid-request",
            "at most",
        ),
        (
            "POST",
            "cache/clear",
            {"older_than": -1},
            422,
            "invalid-request",
            "at least 0",
        ),
    ],
)
def test_what_does_not_fit_changes_nothing(  # noqa: PLR0913, PLR0917  # a table
    served, method, path, body, status, slug, told
):
    """A body that does not fit is refused with what is wrong about it."""
    answer = served.ask(f"/api/{path}", method, body)

    assert (answer.status, answer.json["type"]) == (status, f"urn:nborch:{slug}")
    assert told in answer.json["detail"]


def test_what_is_possible_is_told(served):
    """Who uses a wrong method is told the right ones."""
    assert served.ask("/api/work-pools", "PUT", {}).headers["Allow"] == "GET, POST"


def test_errors_are_told_by_field(served, known):
    """A form learns which of its fields are wrong, and why."""
    path = f"/api/deployments/{known['deployment']}/runs"

    wrong = served.post(path, {"parameters": {"month": "x", "when": 1}}).json
    unknown = served.post(path, {"parameters": {"moth": 1}}).json

    assert [each["name"] for each in wrong["errors"]] == ["month", "when"]
    assert "must be of the type integer" in wrong["errors"][0]["detail"]
    assert unknown["errors"] == [
        {"name": "moth", "detail": "There is no such parameter."}
    ]


# Attacks of strangers, and of data.


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_strange_texts_are_only_texts(served, home, known, text):
    """Names, ids, filters and values of any kind are texts: nothing is done by them."""
    before = sorted(path.name for path in home.folder.iterdir())
    as_part, name = quote(text, safe=""), f"{text}-pool"

    for path in (
        f"runs/{as_part}",
        f"runs/{known['run']}/nodes/{as_part}",
        f"runs/{known['run']}/cells/{as_part}",
        f"deployments/{as_part}",
        f"deployments/{known['deployment']}/schedules/{as_part}/pause",
        f"work-pools/{as_part}/queue",
        f"concurrency-limits/{as_part}",
    ):
        assert served.get(f"/api/{path}").status in {404, 405}, path
    for query in ("q", "flow", "tag", "deployment", "work_pool", "parent"):
        told = served.get(f"/api/runs?{query}={as_part}")
        assert told.status == 200, told.text
        # Names found at random may hold it, too.
        names = [each["name"].casefold() for each in told.json["items"]]
        assert [name for name in names if text.casefold() not in name] == []
        counts = served.get(f"/api/runs/counts?{query}={as_part}").json
        assert sum(counts.values()) == len(told.json["items"])
    created = served.post("/api/work-pools", {"name": name})
    assert created.status in {201, 422}
    if created.status == 201:
        assert (
            served.get(f"/api/work-pools/{quote(name, safe='')}").json["name"] == name
        )
        served.ask(f"/api/work-pools/{quote(name, safe='')}", "DELETE")
    run = served.post(
        f"/api/deployments/{known['deployment']}/runs",
        {"name": text, "tags": [text], "at": 4e9, "parameters": {"when": text}},
    )
    assert run.status == 201, run.text
    told = served.get(f"/api/runs/{run.json['id']}").json
    assert (told["name"], told["tags"], told["parameters"]) == (
        text,
        [text],
        {"when": text},
    )
    assert home.store.last_sequence() > 0
    assert sorted(path.name for path in home.folder.iterdir()) == before


def test_nothing_says_what_is_executed(served, known):
    """No request names code, a command, an environment or an address to be told."""
    path = f"/api/deployments/{known['deployment']}/runs"

    for word in (
        "entrypoint",
        "env",
        "command",
        "work_pool",
        "job_variables",
        "webhook",
    ):
        answer = served.post(path, {word: "os:system"})
        assert answer.status == 422, word
    changing = {(r.method, r.path) for r in ALL if r.method in {"POST", "PUT", "PATCH"}}
    assert ("POST", "deployments") not in changing


def test_an_exception_of_a_run_is_only_text(served, home):
    """The class of an error that was stored is shown, and never looked up."""
    from datetime import UTC, datetime

    from nborch.events import run_created, state_entered
    from nborch.runs import Run, RunKind, new_id
    from nborch.states import Failed

    now = datetime.now(UTC)
    error = {"type": "os.system", "message": "touch /tmp/x", "traceback": None}
    run = Run(new_id(now.timestamp()), RunKind.FLOW, "f", "n", now, "elsewhere:1:a")
    state = Failed(details={"error": error}).stamped(now)
    home.store.append([run_created(run), state_entered(run.id, state, 0)])

    assert served.get(f"/api/runs/{run.id}").json["error"] == error


def test_costly_filters_have_bounds(served, known):
    """What is sought is a text and no pattern, and times have an end."""
    began = time.monotonic()
    for path in (
        "runs?q=" + quote("(a+)+$" * 30),
        "runs/history?bins=1000&since=0&until=253370764800",
        f"runs/{known['run']}/log?q=" + quote("(a|a)*" * 30),
    ):
        assert served.get(f"/api/{path}").status == 200
    schedule = {"from": 0, "to": 253_370_764_800, "dry_run": True}
    path = f"/api/deployments/{known['deployment']}/backfill"
    refused = served.post(path, schedule)

    assert refused.status == 422
    assert "more than 10000 times" in refused.json["detail"]
    assert time.monotonic() - began < 20


def test_settings_hold_no_secret(home, tmp_path):
    """The addresses of notifications are told without what is secret in them."""
    with Served(
        home.folder, NBORCH_NOTIFY_URLS="mailto://me:hunter2@example.org"
    ) as server:
        told = server.get("/api/settings").text

    assert "mailto://" in told
    assert "hunter2" not in told
    assert "example.org" not in told


def test_a_node_belongs_to_its_run(served, home, known):
    """The details of a run are told within the runs around it, and in no other."""
    other = LocalControl(home).make_run(known["deployment"], at=4e9)["id"]

    own = served.get(f"/api/runs/{known['run']}/nodes/{known['run']}")
    foreign = served.get(f"/api/runs/{known['run']}/nodes/{other}")

    assert own.json["id"] == known["run"]
    assert foreign.status == 404
    assert served.get(f"/api/runs/{known['run']}/nodes/{other}/log").status == 404


def test_a_graph_is_told(served, known):
    """The graph of a run is the snapshot that its widget gets, with what can be done."""
    told = served.get(f"/api/runs/{known['run']}/graph").json

    assert (told["type"], told["view"]) == ("snapshot", "run")
    assert told["run"]["id"] == known["run"]
    assert told["run"]["can"] == ["cancel"]
    json.dumps(told)
