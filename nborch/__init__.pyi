# What type checkers see of the package, whose names are loaded at first use.
from nborch import deploy as deploy
from nborch import runtime as runtime
from nborch.annotations import allow_failure as allow_failure
from nborch.annotations import unmapped as unmapped
from nborch.context import tags as tags
from nborch.deploy.serving import serve as serve
from nborch.deployments import run_deployment as run_deployment
from nborch.flows import Flow as Flow
from nborch.flows import flow as flow
from nborch.logs import get_run_logger as get_run_logger
from nborch.notebook.flows import notebook_flow as notebook_flow
from nborch.notebook.magics import load_ipython_extension as load_ipython_extension
from nborch.notebook.magics import unload_ipython_extension as unload_ipython_extension
from nborch.notebook.results.giving import result as result
from nborch.notebook.stopping import stop as stop
from nborch.secrets import Secret as Secret
from nborch.server.jupyter import (
    _jupyter_labextension_paths as _jupyter_labextension_paths,
)
from nborch.server.jupyter import (
    _jupyter_server_extension_points as _jupyter_server_extension_points,
)
from nborch.states import State as State
from nborch.tasks import Task as Task
from nborch.tasks import task as task
from nborch.transactions import Transaction as Transaction

__version__: str
__all__ = [
    "Flow",
    "Secret",
    "State",
    "Task",
    "Transaction",
    "allow_failure",
    "deploy",
    "flow",
    "get_run_logger",
    "notebook_flow",
    "result",
    "run_deployment",
    "runtime",
    "serve",
    "stop",
    "tags",
    "task",
    "unmapped",
]
