"""The JSON API: the handlers of the routes that `nborch.control.routes` lists."""

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from nborch.control.routes import ROUTES as OF_CONTROL
from nborch.control.routes import Route
from nborch.server import graphs
from nborch.server.base import JsonHandler
from nborch.server.openapi import described
from nborch.server.problems import Problem
from nborch.server.queries import read_query
from nborch.server.shapes import Schema, objections, schema_of, whole_numbers

__all__ = ["ALL", "ROUTES", "ApiHandler", "Description", "NoSuchRoute"]

#: What changes something has a body, so that no form of another site can ask for it.
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: A message tells of so many things that are wrong.
TOLD = 3


class ApiHandler(JsonHandler):
    """Does what the routes of one address say."""

    #: By the method of HTTP.
    routes: ClassVar[dict[str, Route]] = {}

    async def serve(self, *ids: str) -> None:
        """Check what was asked for, have it done, and answer."""
        route = self.routes[self.request.method or ""]
        values = self._query(route) | self._body(route)
        named = {route.renamed.get(name, name): each for name, each in values.items()}
        answer = await self.do(self._function(route), *ids, **named)
        if route.answer is None:
            self.set_status(204)
            self.clear_header("Content-Type")
        else:
            self.answer(answer, route.status)

    def _function(self, route: Route) -> Callable[..., Any]:
        if route.name in graphs.FUNCTIONS:
            return graphs.bound(route.name, self.site)
        found: Callable[..., Any] = getattr(self.control, route.name)
        return found

    def _query(self, route: Route) -> dict[str, Any]:
        given = {}
        for name, texts in self.request.query_arguments.items():
            try:
                key = name.encode("latin-1").decode("utf-8")
                given[key] = [each.decode("utf-8") for each in texts]
            except UnicodeError:
                raise Problem(400, "bad-request", "The query is no UTF-8.") from None
        schema, known = _form(route.query)
        values, wrong = read_query(given, _resolved(schema, known))
        _refuse(wrong, "query")
        return values

    def _body(self, route: Route) -> dict[str, Any]:
        if route.method not in _WITH_BODY:
            return {}
        value = self.read_json()
        schema, known = _form(route.body)
        _refuse(objections(value, schema, known), "body")
        return whole_numbers(value, _resolved(schema, known))


class Description(JsonHandler):
    """Describes the API."""

    async def get(self) -> None:
        """Answer with the OpenAPI document."""
        self.answer(described((*ALL, *graphs.ELSEWHERE), f"{self.site.base_url}api"))


class NoSuchRoute(JsonHandler):
    """Answers whoever asks for what the API has not."""

    async def get(self) -> None:
        """Tell that there is nothing."""
        raise Problem(404, "not-found", "The API has nothing at this address.")

    head = post = put = patch = delete = options = get


def _form(form: Any) -> tuple[Schema, dict[str, Schema]]:
    """Return the schema of a form, and those that it refers to."""
    if form not in _forms:
        known: dict[str, Schema] = {}
        schema = schema_of(form, known) if form is not None else _NOTHING
        _forms[form] = schema, known
    return _forms[form]


def _resolved(schema: Schema, known: dict[str, Schema]) -> Schema:
    return known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


_NOTHING: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
_forms: dict[Any, tuple[Schema, dict[str, Schema]]] = {}


def _refuse(wrong: Iterable[tuple[str, str]], what: str) -> None:
    """Raise a problem if anything is wrong."""
    errors = [{"name": name, "detail": f"It {told}."} for name, told in wrong]
    if errors:
        told = "; ".join(
            f"{each['name'] or what} {each['detail'][3:-1]}" for each in errors[:TOLD]
        )
        detail = f"The {what} does not fit: {told}. See api/openapi.json."
        raise Problem(422, "invalid-request", detail, errors=errors[:50])


def _handlers(routes: Iterable[Route]) -> list[tuple[str, type[JsonHandler]]]:
    """Return a handler for each address, with the methods that it has."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return [_handler(path, methods) for path, methods in by_path.items()]


def _handler(path: str, routes: dict[str, Route]) -> tuple[str, type[JsonHandler]]:
    first = next(iter(routes.values()))
    is_open = all(route.is_open for route in routes.values())
    members = {method.lower(): ApiHandler.serve for method in routes}
    name = "".join(part.title() for part in first.name.split("_"))
    made = type(
        name,
        (ApiHandler,),
        {"__doc__": first.summary, "routes": routes, "is_open": is_open, **members},
    )
    return "/api/" + re.sub(r"\{\w+\}", "([^/]+)", path), made


#: All there is: what the control plane does, and what lies above it.
ALL: tuple[Route, ...] = (*OF_CONTROL, *graphs.ROUTES)

#: Patterns below the base, each with its handler.
ROUTES: list[tuple[str, type[JsonHandler]]] = [
    *_handlers(ALL),
    ("/api/openapi.json", Description),
    ("/api(?:/.*)?", NoSuchRoute),
]
