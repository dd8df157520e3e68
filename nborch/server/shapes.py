"""JSON Schemas of forms, and values that are checked by them.

A form is a ``TypedDict`` of `nborch.control.forms`. Of JSON Schema there is what those
need: the library for all of it takes longer to load than a page does.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required, Union

from nborch.control.forms import Bounds

__all__ = ["objections", "reference", "schema_of", "whole_numbers"]

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def schema_of(  # noqa: PLR0911  # one for each kind of type
    hint: Any, known: dict[str, Schema]
) -> Schema:
    """Return the JSON Schema of a type; those of the forms in it join what is known.

    >>> schema_of(list[int], {})
    {'type': 'array', 'items': {'type': 'integer'}}
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(hint, known)
    if origin in {Required, NotRequired}:
        return schema_of(arguments[0], known)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in {Union, types.UnionType}:
        return _either([schema_of(each, known) for each in arguments])
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], known)}
    if origin is dict:
        inner = schema_of(arguments[1], known)
        return {"type": "object"} | ({"additionalProperties": inner} if inner else {})
    if typing.is_typeddict(hint):
        return reference(hint, known)
    return dict(_PLAIN[hint])


def reference(form: Any, known: dict[str, Schema]) -> Schema:
    """Return what refers to the schema of a form, which joins what is known."""
    name = form.__name__
    if name not in known:
        known[name] = {}  # one that has itself in it ends here
        hints = typing.get_type_hints(form, include_extras=True)
        schema: Schema = {
            "type": "object",
            "properties": {n: schema_of(each, known) for n, each in hints.items()},
            "additionalProperties": False,
        }
        if form.__required_keys__:
            schema["required"] = [n for n in hints if n in form.__required_keys__]
        if form.__doc__ and not form.__doc__.startswith("dict("):
            schema["description"] = form.__doc__.strip().partition("\n")[0]
        known[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}


def _annotated(hint: Any, known: dict[str, Schema]) -> Schema:
    schema = schema_of(hint.__origin__, known)
    for told in hint.__metadata__:
        if isinstance(told, str):
            schema = schema | {"description": told}
        elif isinstance(told, Bounds):
            schema = _with(schema, told.keywords)
        else:
            schema = _with(schema, _bounds(told, known))
    return schema


def _bounds(hint: Any, known: dict[str, Schema]) -> Schema:
    """Return what another type says besides what it is."""
    told = schema_of(hint, known)
    return {
        name: value
        for name, value in told.items()
        if name not in {"type", "description"}
    }


def _with(schema: Schema, more: Schema) -> Schema:
    """Return a schema with bounds, which of several types are those of the first."""
    if "anyOf" not in schema:
        return schema | more
    first, *others = schema["anyOf"]
    return schema | {"anyOf": [first | more, *others]}


def _either(schemas: list[Schema]) -> Schema:
    if all(each.keys() == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    return {"anyOf": schemas}


def whole_numbers(value: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return an object whose whole numbers are such, also where 3 was written as 3.0.

    >>> whole_numbers({"slots": 3.0}, {"properties": {"slots": {"type": "integer"}}})
    {'slots': 3}
    """
    properties = schema.get("properties", {})
    return {
        name: int(each)
        if isinstance(each, float) and "integer" in properties[name].get("type", ())
        else each
        for name, each in value.items()
    }


def objections(
    value: Any, schema: Schema, known: Mapping[str, Schema], path: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a value: where, and why.

    >>> list(objections({"limit": -1}, {"properties": {"limit": {"minimum": 0}}}, {}))
    [('limit', 'must be at least 0')]
    """
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        yield from _of_any(value, schema["anyOf"], known, path)
        return
    kinds = schema.get("type")
    if kinds is not None and not _is_of(value, kinds):
        told = kinds if isinstance(kinds, str) else " or ".join(kinds)
        yield path, f"must be of the type {told}"
        return
    refusal = _of_plain(value, schema)
    if refusal:
        yield path, refusal
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from objections(item, schema["items"], known, f"{path}[{number}]")
    if isinstance(value, dict):
        yield from _of_object(value, schema, known, path)


def _is_of(value: Any, kinds: str | list[str]) -> bool:
    listed = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in listed
    if isinstance(value, float) and value.is_integer() and "integer" in listed:
        return True
    return any(isinstance(value, _TYPES[kind]) for kind in listed)


def _of_any(
    value: Any, schemas: list[Schema], known: Mapping[str, Schema], path: str
) -> Iterator[tuple[str, str]]:
    """Yield what the nearest of several schemas has against a value."""
    found = [list(objections(value, each, known, path)) for each in schemas]
    if all(found):
        yield from min(found, key=lambda each: (path, "type") in each)


def _of_plain(value: Any, schema: Schema) -> str | None:
    """Return what the bounds of a schema have against a value."""
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(schema['enum'])}"
    if isinstance(value, str):
        return _of_text(value, schema)
    if isinstance(value, list):
        most = schema.get("maxItems", len(value))
        return f"must have {most} items at most" if len(value) > most else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(value, schema)
    return None


def _of_text(text: str, schema: Schema) -> str | None:
    if len(text) < schema.get("minLength", 0):
        return "must not be empty"
    most = schema.get("maxLength", len(text))
    return f"must have {most} characters at most" if len(text) > most else None


def _of_number(number: float, schema: Schema) -> str | None:
    if number < schema.get("minimum", number):
        return f"must be at least {schema['minimum']}"
    if number > schema.get("maximum", number):
        return f"must be at most {schema['maximum']}"
    return None


def _of_object(
    value: dict[str, Any], schema: Schema, known: Mapping[str, Schema], path: str
) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield _within(path, name), "is missing"
    for name, item in value.items():
        inside = _within(path, name)
        if name in properties:
            yield from objections(item, properties[name], known, inside)
        elif others is False:
            yield inside, "is not known here"
        elif isinstance(others, dict):
            yield from objections(item, others, known, inside)


def _within(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
