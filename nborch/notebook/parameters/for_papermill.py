"""papermill's way with parameters, where nborch's engine runs the notebook.

papermill writes the values into the notebook and keeps them in its metadata, but its
own translation makes text of a date, and its metadata a list of a tuple. Our translator
takes the values as they were given; the engine, called next, writes them anew.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from nborch.exceptions import ParameterTypeError
from nborch.notebook.parameters.checked import notebook_parameters
from nborch.notebook.parameters.declared import has_tag, is_python
from nborch.notebook.parameters.given import with_environment
from nborch.notebook.parameters.injecting import (
    TAG,
    Injection,
    inject,
    injected_source,
    shown_values,
)
from nborch.secrets import Secret

__all__ = ["apply_parameters", "translated_language"]

#: What the engine calls the language of a notebook whose values our translator writes.
LANGUAGE = "nborch-python"

#: The values that papermill was given last, on their way to the engine.
_on_their_way: ContextVar[Mapping[str, Any] | None] = ContextVar(
    "nborch_parameters", default=None
)


def translated_language(nb: Any, language: str) -> str:
    """Return the language by which papermill finds the translator of the values."""
    if not is_python(nb, language):
        return language
    _register()
    return LANGUAGE


def apply_parameters(
    nb: Any, notebook: str, kernel_name: str
) -> tuple[dict[str, Any], Injection]:
    """Write the values that papermill was given into the notebook as they are meant.

    They are checked against the notebook's parameters first. Returns them, and what
    the run has to do beyond executing the cells.

    Raises
    ------
    NborchError
        If some do not fit, or a required one is missing; no kernel has started.
    """
    about = nb.metadata.setdefault("papermill", {})
    given = _given(about.get("parameters") or {})
    if is_python(nb):
        declared = notebook_parameters(nb, notebook)
        # papermill itself warns of names that are not declared.
        values = declared.validated(given, allow_unknown=True)
        injection = inject(nb, values, notebook=declared.notebook)
    else:
        values = {name: with_environment(value) for name, value in given.items()}
        injection = _translate_secrets(nb, values, kernel_name)
    about["parameters"] = shown_values(values)
    return values, injection


def _given(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as they were given, of which papermill keeps the metadata."""
    sent, values = _on_their_way.get(), _plain(kept)
    _on_their_way.set(None)
    return dict(sent) if sent is not None and _same(sent, kept) else values


def _same(given: Any, kept: Any) -> bool:
    """Tell whether papermill's metadata was made of these very values."""
    if isinstance(given, Mapping):
        return (
            isinstance(kept, Mapping)
            and list(given) == list(kept)
            and all(_same(given[key], kept[key]) for key in given)
        )
    if isinstance(given, list | tuple):
        return (
            isinstance(kept, list)
            and len(given) == len(kept)
            and all(map(_same, given, kept))
        )
    return given is kept


def _plain(value: Any) -> Any:
    """Return a value of the metadata without nbformat's own classes."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _translate_secrets(
    nb: Any, values: Mapping[str, Any], kernel_name: str
) -> Injection:
    """Take secrets out of the injected cell of a notebook in another language."""
    from papermill.translators import papermill_translators
    from papermill.utils import nb_language

    secrets = {k: v for k, v in values.items() if isinstance(v, Secret)}
    found = [index for index, cell in enumerate(nb.cells) if has_tag(cell, TAG)]
    if not (secrets and found):
        return Injection()
    translator = papermill_translators.find_translator(kernel_name, nb_language(nb))
    plain = {name: value for name, value in values.items() if name not in secrets}
    told = [translator.comment(f"{name}: a secret") for name in secrets]
    nb.cells[found[0]].source = translator.codify(plain, "Parameters") + "\n".join(told)
    hidden = {name: secret.reveal() for name, secret in secrets.items()}
    return Injection({found[0]: translator.codify(hidden, "Parameters")})


@cache
def _register() -> None:
    """Let papermill know the translator; once, at the first notebook that needs it."""
    from papermill.translators import PythonTranslator, papermill_translators

    class Translator(PythonTranslator):  # type: ignore[misc]  # papermill has no types
        """Writes values so that they keep their types."""

        @classmethod
        def codify(
            cls, parameters: Mapping[str, Any], comment: str = "Parameters"
        ) -> str:
            _on_their_way.set(dict(parameters))
            try:
                return injected_source(parameters)[0]
            except ParameterTypeError:
                # The engine refuses it by name, unless its annotation makes
                # something else of it.
                return str(super().codify(parameters, comment))

    papermill_translators.register(LANGUAGE, Translator)
