"""Parameters of deployments: what a flow takes as JSON Schema, and what fits it.

A deployment is triggered by programs that do not load its flow. So what it takes is
kept as JSON Schema, and values are checked against that; the flow itself makes of them
what its annotations ask for.
"""

import ast
import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nborch.exceptions import (
    InvalidDeclaration,
    ParameterBindError,
    ParameterTypeError,
    did_you_mean,
)
from nborch.secrets import Secret

__all__ = ["as_json", "check_values", "fitted", "schema_of", "typed_values"]

#: A message shows a value with at most so many characters.
SHOWN = 60


def schema_of(fn: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Return what a function takes as the JSON Schema of an object.

    >>> def report(month: int, title: str = "Sales"): ...
    >>> schema = schema_of(report, inspect.signature(report))
    >>> schema["required"], schema["properties"]["month"]["type"]
    (['month'], 'integer')
    """
    hints = _hints(fn)
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    required = []
    takes_others = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_others = True
        elif parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.POSITIONAL_ONLY,
        ):
            schema = _schema_for(hints.get(name, Any))
            definitions |= schema.pop("$defs", {})
            if parameter.default is parameter.empty:
                required.append(name)
            else:
                schema |= _default(parameter.default)
            properties[name] = schema
    made: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": takes_others,
    }
    return made | ({"$defs": definitions} if definitions else {})


def as_json(values: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return parameters as the JSON values that are kept with a deployment or run.

    Raises
    ------
    InvalidDeclaration
        One is secret, or cannot be told as JSON.
    """
    made = {}
    for name, value in values.items():
        if isinstance(value, Secret) or hasattr(value, "get_secret_value"):
            raise InvalidDeclaration(
                f"{owner}: the parameter {name!r} is secret, and is not kept. Have the "
                "flow read it from an environment variable of the worker, or give a "
                "notebook '${env:NAME}'."
            )
        made[name] = _as_json(name, value, owner)
    return made


def check_values(
    values: Mapping[str, Any],
    schema: Mapping[str, Any],
    owner: str,
    *,
    complete: bool = True,
) -> None:
    """Raise unless values fit the schema.

    Parameters
    ----------
    complete
        Whether what is required must be among them.

    Raises
    ------
    ParameterBindError
        There is no such parameter, or one is missing.
    ParameterTypeError
        Some are of another type.
    """
    properties = schema.get("properties", {})
    if not schema.get("additionalProperties"):
        for name in values:
            if name not in properties:
                known = ", ".join(properties)
                listed = f" It takes: {known}." if known else " It takes none."
                error = ParameterBindError(
                    f"{owner} has no parameter {name!r}."
                    f"{did_you_mean(name, properties) or listed}"
                )
                error.by_name = {name: "There is no such parameter."}
                raise error
    missing = [name for name in schema.get("required", ()) if name not in values]
    if complete and missing:
        error = ParameterBindError(
            f"{owner} needs a value for {', '.join(map(repr, missing))}. "
            f"Give it: -p {missing[0]}=VALUE"
        )
        error.by_name = dict.fromkeys(missing, "It needs a value.")
        raise error
    wrong = {
        name: told
        for name, value in values.items()
        if (told := _objection(name, value, properties.get(name), schema))
    }
    if wrong:
        unfit = ParameterTypeError(f"{owner}: {' '.join(wrong.values())}")
        unfit.by_name = wrong
        raise unfit


def typed_values(texts: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody typed as the values that the schema asks for.

    >>> typed_values({"n": "7"}, {"properties": {"n": {"type": "integer"}}})
    {'n': 7}
    >>> typed_values({"n": "7"}, {"properties": {"n": {"type": "string"}}})
    {'n': '7'}
    """
    properties = schema.get("properties", {})
    return {
        name: fitted(value, properties.get(name), schema)
        if isinstance(value, str)
        else value
        for name, value in texts.items()
    }


def fitted(
    text: str, asked: Mapping[str, Any] | None, schema: Mapping[str, Any]
) -> Any:
    """Return the likeliest meaning of a text that fits what is asked."""
    meanings = list(_meanings(text))
    if asked is not None and "string" in _types(asked, schema):
        meanings.sort(key=lambda each: not isinstance(each, str))
    for meant in meanings:
        if not _objection("", meant, asked, schema):
            return meant
    return meanings[0]


def _meanings(text: str) -> Iterator[Any]:
    """Return what a text may mean: JSON, a Python literal, itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            meant = read(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        try:
            yield json.loads(json.dumps(meant))
        except (TypeError, ValueError):
            continue
    yield str(text)


def _types(asked: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema allows, as far as that is plain."""
    if "$ref" in asked:
        name = asked["$ref"].rpartition("/")[2]
        return _types(schema.get("$defs", {}).get(name, {}), schema)
    kinds = asked.get("type", ())
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    for each in asked.get("anyOf", ()):
        found |= _types(each, schema)
    if "enum" in asked or "const" in asked:
        values = asked.get("enum", [asked.get("const")])
        found |= {"string" for each in values if isinstance(each, str)}
    return found


def _objection(
    name: str, value: Any, asked: Mapping[str, Any] | None, schema: Mapping[str, Any]
) -> str | None:
    """Return why a value does not fit, in a sentence."""
    if not asked or _plainly_fits(value, asked):
        return None
    from jsonschema import Draft202012Validator

    whole = {**asked, "$defs": schema.get("$defs", {})}
    error = next(iter(Draft202012Validator(whole).iter_errors(value)), None)
    if error is None:
        return None
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"
    if error.validator == "type" and not error.path:
        return f"{name!r} must be of the type {error.validator_value}, not {shown}."
    if error.validator == "enum":
        choices = ", ".join(map(repr, error.validator_value))
        return f"{name!r} must be one of {choices}, not {shown}."
    place = "".join(f"[{part!r}]" for part in error.path)
    return f"{name!r}{place} does not fit: {error.message}."


_PLAIN = {"integer": int, "string": str, "boolean": bool, "number": float}


def _plainly_fits(value: Any, asked: Mapping[str, Any]) -> bool:
    """Tell whether a value fits at the first look, without loading jsonschema."""
    kind = asked.get("type")
    bare = not asked.keys() - {"type", "title", "default", "description"}
    return bare and isinstance(kind, str) and type(value) is _PLAIN.get(kind)


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    fn = inspect.unwrap(fn)
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except Exception:  # noqa: BLE001  # an annotation may be any text
        annotations = getattr(fn, "__annotations__", {})
        return {n: each for n, each in annotations.items() if not isinstance(each, str)}


def _schema_for(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; an empty one if it has none."""
    if hint in _OF_PLAIN:
        return dict(_OF_PLAIN[hint])
    if hint is Any:
        return {}
    from pydantic import ConfigDict, TypeAdapter

    try:
        # In a tuple, since a model or dataclass by itself refuses a configuration.
        adapter: TypeAdapter[Any] = TypeAdapter(
            tuple[hint,], config=ConfigDict(arbitrary_types_allowed=True)
        )
        schema = adapter.json_schema()
    except Exception:  # noqa: BLE001  # not all types can be told as JSON
        return {}
    inner: dict[str, Any] = schema["prefixItems"][0]
    return inner | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


_OF_PLAIN: dict[Any, dict[str, str]] = {
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
}


def _default(value: Any) -> dict[str, Any]:
    try:
        return {"default": _as_json("", value, "")}
    except InvalidDeclaration:
        return {}


def _as_json(name: str, value: Any, owner: str) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        from pydantic_core import PydanticSerializationError, to_jsonable_python

        try:
            return to_jsonable_python(value)
        except (PydanticSerializationError, ValueError) as error:
            raise InvalidDeclaration(
                f"{owner}: the parameter {name!r} cannot be kept as JSON: {error}. "
                "Give a path or a key to it, and have the flow load it."
            ) from None
    return json.loads(text)
