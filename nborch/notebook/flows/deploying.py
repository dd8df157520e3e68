"""Notebook flows as deployments: where the notebook is, and how it is run."""

import json
from typing import Any

from nborch.deploy.entrypoints import surroundings

__all__ = ["DeployableNotebook"]


class DeployableNotebook:
    """Makes deployments of a notebook flow; goes before `Flow` among its bases."""

    def entrypoint(self) -> dict[str, Any] | None:
        """Return its path and options as JSON values; None if those hold functions."""
        flow: Any = self
        options: dict[str, Any] = {}
        for name, value in flow._options.items():  # noqa: SLF001  # its own mixin
            # Of the output, None says something: that there is to be none.
            if name == "resume" or (value is None and name != "output"):
                continue
            plain = sorted(value) if isinstance(value, set | frozenset) else value
            plain = str(plain) if hasattr(plain, "__fspath__") else plain
            try:
                options[name] = json.loads(json.dumps(plain))
            except (TypeError, ValueError):
                return None
        found = {"kind": "notebook", "path": str(flow.path), "options": options}
        return {**found, **surroundings()}

    def parameter_schema(self) -> dict[str, Any]:
        """Return what the notebook takes, as the JSON Schema of an object."""
        flow: Any = self
        schema: dict[str, Any] = flow.file.parameters.schema()
        return schema | ({"additionalProperties": True} if flow.allows_unknown else {})
