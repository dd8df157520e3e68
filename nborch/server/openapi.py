"""The description of the API (OpenAPI 3.1), made of the table of its routes."""

import re
from collections.abc import Iterable
from typing import Any

from nborch import __version__
from nborch.control.routes import Route
from nborch.server.shapes import Schema, schema_of

__all__ = ["described"]

_ABOUT = (
    "What one can see and do in a home of nborch. Times are seconds since 1970, ids "
    "are texts. A list has `items`, and a `next` that asks for the page after it. What "
    "is refused is answered as application/problem+json (RFC 9457), whose `type` stays "
    "the same from version to version."
)
_TEXT: Schema = {"type": "string"}
_PROBLEM: Schema = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "detail": _TEXT},
                "required": ["name", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_EMPTY: Schema = {
    "type": "object",
    "description": "Nothing: {}.",
    "properties": {},
    "additionalProperties": False,
}


def described(routes: Iterable[Route], url: str) -> dict[str, Any]:
    """Return the OpenAPI document of routes that lie below an address."""
    known: dict[str, Schema] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        of_path = paths.setdefault(f"/{route.path}", {})
        of_path[route.method.lower()] = _operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "nborch", "version": __version__, "description": _ABOUT},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": known,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _problem("It was refused.")},
        },
    }


def _operation(route: Route, known: dict[str, Schema]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.partition("/")[0]],
        "parameters": [*_of_path(route), *_of_query(route)],
        "responses": _responses(route, known),
    }
    if route.is_open:
        told["security"] = []
    if route.method in {"POST", "PUT", "PATCH"}:
        schema = _EMPTY if route.body is None else schema_of(route.body, known)
        content = {"application/json": {"schema": schema}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _of_path(route: Route) -> list[dict[str, Any]]:
    names: list[str] = re.findall(r"\{(\w+)\}", route.path)
    schema = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in names
    ]


def _of_query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    own: dict[str, Schema] = {}
    schema_of(route.query, own)
    form = own[route.query.__name__]
    required = form.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {n: v for n, v in schema.items() if n != "description"},
            **{n: v for n, v in schema.items() if n == "description"},
        }
        for name, schema in form["properties"].items()
    ]


def _responses(route: Route, known: dict[str, Schema]) -> dict[str, Any]:
    answered: dict[str, Any] = {"description": "It was done."}
    if route.answer is not None:
        schema = schema_of(route.answer, known)
        answered["content"] = {route.media: {"schema": schema}}
    refused = {"$ref": "#/components/responses/Problem"}
    told = {str(status): refused for status in route.faults}
    return {str(route.status): answered, **told, "default": refused}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {"description": description, "content": content}
