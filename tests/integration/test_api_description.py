"""The description of the API: whatever is sent, the answer is one of those it tells."""

import pytest
from hypothesis import HealthCheck, settings
from serving import Served

from nborch.control.local import LocalControl
from nborch.home import Home
from nborch.schedules import CronSchedule
from nborch.server import graphs
from nborch.server.api import ALL
from nborch.server.openapi import described
from nborch.settings import Settings
from nborch.work import Deployment, DeploymentSchedule, WorkPool

schemathesis = pytest.importorskip("schemathesis")

pytestmark = pytest.mark.timeout(180)

SCHEMA = {
    "type": "object",
    "properties": {"month": {"type": "integer"}},
    "additionalProperties": False,
}
#: All but the stream, which does not end by itself.
api = schemathesis.openapi.from_dict(described((*ALL, *graphs.ELSEWHERE[:1]), "/api"))
#: What is refused by where things stand, and not by how it is asked for.
BY_STATE = ("backfill", "runs", "resume", "retry")
ACCEPTED = schemathesis.checks.CHECKS.get_one("positive_data_acceptance")


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


@api.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_is_as_it_is_described(case, served, known):
    """Whatever is sent is answered as the description says, and is no fault."""
    if case.meta.generation.mode.is_positive:
        _be_likely(case, known)
    excluded = [ACCEPTED] if case.path.endswith(BY_STATE) else []

    case.call_and_validate(
        base_url=f"{served.base}/api",
        headers={"Authorization": f"Bearer {served.token}"},
        excluded_checks=excluded,
    )


def _be_likely(case, known):
    """Ask for what is there, and for times in their order."""
    if case.method != "DELETE":
        found = {n: known.get(n, each) for n, each in case.path_parameters.items()}
        case.path_parameters = found
    for name in ("cursor", "since", "until"):
        case.query.pop(name, None)
