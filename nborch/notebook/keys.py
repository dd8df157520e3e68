"""The key of a cell task: all that decides its result, as far as it can be told before.

What a cell turns out to depend on while it runs, such as files, is compared later: see
`nborch.notebook.candidates`.
"""

import os
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from nborch.cache.code import ast_digest, is_local
from nborch.cache.fingerprints import fingerprints
from nborch.cache.keys import digest
from nborch.exceptions import Unfingerprintable
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.bodies import CellBody
from nborch.notebook.declared import Declarations
from nborch.notebook.effects.namespace import Uncachable, inputs_of
from nborch.notebook.effects.preferences import preferences
from nborch.notebook.imports import (
    imported_modules,
    module_fingerprints,
    setting_changed,
    used_modules,
)
from nborch.notebook.ingredients import UNDEFINED, Ingredients
from nborch.notebook.reached import reached

__all__ = ["CellKey"]


class CellKey:
    """What a cell depends on, compared when this is made.

    Parameters
    ----------
    body
        The cell's code.
    declared
        What the header says of inputs and outputs.
    """

    def __init__(
        self,
        body: CellBody,
        analysis: CellAnalysis,
        declared: Declarations,
        namespace: Mapping[str, Any],
    ) -> None:
        self._code = body.code
        self._features = " ".join(body.features)
        self._analysis = analysis
        self._declared = declared
        self._namespace = namespace
        #: The digest of each input, by name.
        self.fingerprints: dict[str, str] = {}
        #: The digest of each module of which the cell uses attributes.
        self.modules: Mapping[str, str] = {}
        self.preferences: Mapping[str, str] = {}
        #: None if the cell cannot be reused: see the reason.
        self.ingredients: Ingredients | None = None
        self.reason = next(self._obstacles(), None)
        if self.reason is None:
            self._compare()

    def _compare(self) -> None:
        """Set the ingredients, or the reason why there are none."""
        values = inputs_of(self._analysis, self._namespace)
        others = {n: v for n, v in values.items() if not isinstance(v, ModuleType)}
        imported = imported_modules(self._code)
        try:
            found = fingerprints(others)
            self.modules = fingerprints(used_modules(self._code, values)).each
            libraries = module_fingerprints([m for m in imported if not is_local(m)])
            given = self._declared.inputs()
        except Unfingerprintable as error:
            self.reason = f"reads {error}"
            return
        except Uncachable as reason:
            self.reason = str(reason)
            return
        except Exception as fault:  # noqa: BLE001  # the cell must run all the same
            self.reason = f"cannot be compared ({type(fault).__name__}: {fault})"
            return
        self.fingerprints = dict(found.each)
        undefined = {
            name: UNDEFINED
            for name in self._analysis.reads - values.keys()
            if name not in self._namespace and name not in _BUILTINS
        }
        inputs = {f"name {n}": f for n, f in (self.fingerprints | undefined).items()}
        inputs |= {
            f"module {n}": f for n, f in (libraries | dict(self.modules)).items()
        }
        options = {"sharing": found.sharing, **self._declared.options}
        if self._features:
            options["future"] = self._features
        self.preferences = preferences()
        inputs |= self._variables() | given | self.preferences
        self.ingredients = Ingredients(
            ast_digest(self._code),
            inputs,
            options,
            reached={n: parts for n, v in others.items() if (parts := reached(v))},
            text=self._code,
        )

    def _obstacles(self) -> Iterator[str]:
        """Yield why nothing can be known of the cell before it runs."""
        analysis = self._analysis
        yield from analysis.dynamic
        yield from analysis.effects
        for module in analysis.star_imports:
            yield f"imports * from {module}"
        for name in sorted(analysis.history):
            yield f"reads {name!r}, which depends on what ran before"
        for name in sorted(filter(self._is_module, analysis.reaches_into)):
            yield f"changes the module {name!r}"
        if called := setting_changed(self._code, self._may_be_module):
            yield f"calls {called}(), which changes settings of a library"
        for name in analysis.unrestorable:
            yield f"defines {name!r}, which has to be executed"

    def _is_module(self, name: str) -> bool:
        return isinstance(self._namespace.get(name), ModuleType)

    def _may_be_module(self, name: str) -> bool:
        return name in self._analysis.prelude_names or self._is_module(name)

    def _variables(self) -> dict[str, str]:
        """Return the environment variables that the cell asks for by name."""
        if "env" not in self._code:
            return {}
        named = (n for n in self._analysis.literals if n.replace("_", "").isalnum())
        # Digests: a variable's value may be a secret.
        return {
            f"variable {n}": digest(os.environ[n]) if n in os.environ else UNDEFINED
            for n in named
        }


_BUILTINS = frozenset(dir(__import__("builtins")))
