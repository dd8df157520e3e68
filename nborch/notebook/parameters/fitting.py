"""One value on its way to one parameter."""

from dataclasses import dataclass
from typing import Any

from nborch.misfits import misfit
from nborch.notebook.parameters.declared import NotebookParameter
from nborch.notebook.parameters.defaults import Unfit, fitted
from nborch.notebook.parameters.given import Typed, literal
from nborch.notebook.parameters.hints import UNKNOWN, without_secret
from nborch.notebook.parameters.sources import Unwritable, python_source
from nborch.notebook.parameters.typed import Fit
from nborch.parameters import shown
from nborch.secrets import MASK, Secret

__all__ = ["Fitting"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a parameter makes of a value, and says against it.

    >>> Fitting(NotebookParameter("n", "int"), int).fitted("7")
    (7, [])
    >>> Fitting(NotebookParameter("n", "int"), int).fitted("x")
    ('x', ["parameter 'n' got 'x'; expected a whole number."])

    Parameters
    ----------
    hint
        Its type, or `UNKNOWN` if only its default tells.
    is_guessed
        Whether that is told by how its default is made.
    is_secret
        Whether it is declared as one.
    is_open
        Whether the value is written in another language than Python.
    """

    parameter: NotebookParameter
    hint: Any
    is_guessed: bool = False
    is_secret: bool = False
    is_open: bool = False

    @property
    def _got(self) -> str:
        return f"parameter {self.parameter.name!r} got"

    def fitted(self, value: Any) -> tuple[Any, list[str]]:
        """Return a value as it is asked for, and what there is to say against it."""
        if isinstance(value, Secret):
            return self._secret(value)
        if isinstance(value, str) and value == MASK:
            gone = "was a secret, the value of which is not kept. Give it once more."
            return value, [f"parameter {self.parameter.name!r} {gone}"]
        if self.is_secret and not (value is None or self._is_default(value)):
            return self._secret(Secret(value))
        good, told = self._as_typed(value, self.hint)
        if told or self.is_open:
            return good, told
        problem = _problem_of(good)
        if problem is not None and good is not value:
            # Such as a URL of pydantic's, which the notebook has as text.
            good = literal(value) if isinstance(value, Typed) else value
            problem = _problem_of(good)
        return good, [f"{self._got} {problem}"] if problem else []

    def _secret(self, secret: Secret) -> tuple[Any, list[str]]:
        hint = without_secret(self.hint)
        good, told = self._as_typed(secret.reveal(), hint, secret=secret)
        if told:
            return secret, told
        if _problem_of(good) is not None:
            told = [f"{self._got} {MASK}, which cannot be written as Python."]
        return Secret(good, secret.origin), told

    def _as_typed(
        self, value: Any, hint: Any, *, secret: Secret | None = None
    ) -> tuple[Any, list[str]]:
        """Return a value as its type asks for it; a `secret` is shown in its place."""
        # What the notebook itself says fits, and a guess does not keep None out.
        if self._is_default(value) or (value is None and self.is_guessed):
            return value, []
        if hint is UNKNOWN:
            return self._as_default(value, secret)
        good, errors = Fit(hint).made(value)
        if not errors:
            return good, []
        if secret is not None:
            errors = [{**error, "input": secret} for error in errors]
        told = misfit(
            self.parameter.name,
            secret or value,
            hint,
            errors,
            default=self.parameter.default,
        )
        return good, told

    def _as_default(self, value: Any, secret: Secret | None) -> tuple[Any, list[str]]:
        """Return a value as it takes the default's place."""
        default = self.parameter.default
        try:
            return fitted(_read(value, default), default), []
        except Unfit as expected:
            got = repr(secret) if secret else _shown(value)
            like = f"as its default {self.parameter.default_source} is"
            return value, [f"{self._got} {got}; expected {expected}, {like}."]

    def _is_default(self, value: Any) -> bool:
        default = self.parameter.default
        return type(value) is type(default) and bool(value == default)


def _read(value: Any, default: Any) -> Any:
    """Return what typed text means where only a default tells the type."""
    if not isinstance(value, Typed):
        return value
    meant = literal(value)
    if isinstance(default, str) and not isinstance(meant, str | None):
        return str(value)
    return meant


def _problem_of(value: Any) -> Unwritable | None:
    """Return why a notebook cannot hold a value; None if it can."""
    try:
        python_source(value)
    except Unwritable as problem:
        return problem
    return None


def _shown(value: Any) -> str:
    told = shown({"": str(value) if isinstance(value, str) else value})[""]
    return repr(told) if isinstance(value, str) else str(told)
