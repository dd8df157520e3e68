"""Functions, classes and modules, with all the code of the user's that they reach.

The user's code is compared by what is loaded, not by files: code objects, defaults,
closures, and the live values of the names it looks up. A library's code is compared by
name and version.
"""

import builtins
import dataclasses
import functools
import importlib.util
import sys
import types
from collections.abc import Mapping
from enum import EnumMeta
from typing import Any, cast

from nborch.cache.fingerprints.bytecode import Import, Name, references, shape
from nborch.cache.fingerprints.values import text
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk
from nborch.cache.origins import is_local, library_version
from nborch.cache.sources import source_digest
from nborch.exceptions import Unfingerprintable

__all__ = ["ENCODERS", "encode_body", "encode_class"]

_HEAP_TYPE = 1 << 9
_SINGLEDISPATCH = cast("Any", functools.singledispatch(lambda _: None)).__code__
_DESCRIPTORS: tuple[type, ...] = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
#: What a class holds besides what its author wrote.
_MADE_BY_PYTHON = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__firstlineno__",
        "__static_attributes__",
        "_abc_impl",
        "__abstractmethods__",
    }
)
_MADE_BY_ENUM = frozenset(
    {
        "_member_map_",
        "_member_names_",
        "_value2member_map_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_hashable_values_",
        "__new__",
        "_new_member_",
        "_use_args_",
        "_generate_next_value_",
    }
)
#: What pydantic derives from the fields, as compiled objects with no content.
_KEPT_OF_PYDANTIC = frozenset({"__pydantic_fields__", "__pydantic_decorators__"})


# -------------------------------------------------------------------------- functions


def _is_named(value: Any) -> bool:
    """Return whether a thing is what its module and qualified name lead to."""
    found: object = sys.modules.get(getattr(value, "__module__", None) or "")
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _write_library(walk: Walk, module: str, name: str) -> None:
    walk.write(b"@" + text(library_version(module)) + text(module) + text(name))


def _code_is_local(function: types.FunctionType) -> bool:
    # NB. Not __module__: functools.wraps copies that from the user's function on to
    # the library's wrapper. Generated code (namedtuple, attrs) has no real module and
    # counts as the user's.
    name = function.__globals__.get("__name__")
    return not isinstance(name, str) or is_local(name)


def _encode_function(walk: Walk, value: object) -> None:
    function = cast("types.FunctionType", value)
    if not _code_is_local(function) and _is_named(function):
        _write_library(walk, function.__module__, function.__qualname__)
    else:
        walk.write_code(function, shape(function.__code__))


def _function_body(walk: Walk, value: object) -> Steps:
    function = cast("types.FunctionType", value)
    title = f"function {function.__qualname__!r}"
    if _code_is_local(function):
        walk.write(b"f" + shape(function.__code__))
        yield from _references(walk, function, title)
    else:
        _write_library(walk, function.__globals__["__name__"], function.__qualname__)
    if function.__code__ is _SINGLEDISPATCH:
        # Its closure also holds a cache of weak references.
        yield f"registry of {title}", dict(cast("Any", function).registry)
        return
    walk.write(text(function.__name__) + text(function.__qualname__))
    walk.write(b"d")
    yield f"defaults of {title}", function.__defaults__
    yield f"defaults of {title}", function.__kwdefaults__
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        yield f"closure {name!r} of {title}", cell
    yield f"annotations of {title}", function.__annotations__
    yield f"attributes of {title}", vars(function)


def _encode_cell(walk: Walk, value: object) -> Steps | None:
    # Two functions may share a cell: then one sees what the other stores.
    if walk.is_met(value):
        return None
    try:
        content = cast("types.CellType", value).cell_contents
    except ValueError:
        walk.write(b"undefined")
        return None
    walk.write(b"cell")
    return iter([("", content)])


def _references(walk: Walk, function: types.FunctionType, title: str) -> Steps:
    found = references(function.__code__)
    for name in found.names:
        walk.write(b"n" + text(".".join((name.name, *name.attributes))))
        yield from _global(walk, function, name, title)
    for taken in found.imports:
        walk.write(b"m" + text(f"{taken.level} {taken.module}"))
        yield from _imported(walk, function, taken, title)


def _global(walk: Walk, function: types.FunctionType, name: Name, title: str) -> Steps:
    scope = function.__globals__
    if name.name in scope:
        value = scope[name.name]
    elif hasattr(builtins, name.name):
        value = getattr(builtins, name.name)
    else:
        walk.write(b"undefined")
        return
    label = f"global {name.name!r} of {title}"
    yield from _attribute(walk, value, name.attributes, label)


def _attribute(walk: Walk, value: object, names: tuple[str, ...], label: str) -> Steps:
    """Follow ``tools.text.clean`` through the user's modules to what is used."""
    for name in names:
        if not (isinstance(value, types.ModuleType) and is_local(value.__name__)):
            break
        label += f".{name}"
        if not hasattr(value, name):
            walk.write(b"undefined")
            return
        value = getattr(value, name)
    yield label, value


def _imported(
    walk: Walk, function: types.FunctionType, taken: Import, title: str
) -> Steps:
    name = taken.module
    if taken.level:
        package = function.__globals__.get("__package__") or ""
        try:
            name = importlib.util.resolve_name("." * taken.level + name, package)
        except ImportError:
            walk.write(b"undefined")
            return
    if not is_local(name):
        _write_library(walk, name, "")
        return
    module = sys.modules.get(name)
    if module is None:
        walk.write(b"unloaded" + source_digest(name))
        return
    label = f"import {name!r} of {title}"
    if not taken.names or "*" in taken.names:
        yield label, module
    for part in taken.names:
        walk.write(text(part))
        if hasattr(module, part):
            yield label, getattr(module, part)
        else:
            walk.write(b"unloaded" + source_digest(f"{name}.{part}"))


# ------------------------------------------------------------------ other callables


def _encode_method(walk: Walk, value: object) -> Steps:
    # Made anew at every access: its own identity means nothing.
    method = cast("types.MethodType", value)
    walk.write(b"method")
    yield ".__func__", method.__func__
    yield ".__self__", method.__self__


def _encode_builtin(walk: Walk, value: object) -> Steps:
    function = cast("types.BuiltinFunctionType", value)
    owner = function.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        module = function.__module__ or getattr(owner, "__name__", "builtins")
        _write_library(walk, module, function.__qualname__)
    else:
        walk.write(b"bound" + text(function.__name__))
        yield ".__self__", owner


def _encode_descriptor(walk: Walk, value: object) -> Steps:
    descriptor = cast("Any", value)
    walk.write(b"descriptor" + text(descriptor.__name__))
    yield "", descriptor.__objclass__


def _encode_slot_of_instance(walk: Walk, value: object) -> Steps:
    wrapper = cast("Any", value)
    walk.write(b"bound" + text(wrapper.__name__))
    yield ".__self__", wrapper.__self__


def _encode_wrapping(walk: Walk, value: object) -> Steps | None:
    """Write a staticmethod, classmethod, property or cached property."""
    if walk.is_met(value):
        return None
    walk.write(b"w" + text(type(value).__qualname__))
    names = ("__func__", "fget", "fset", "fdel", "__doc__", "func", "attrname")
    parts = [
        (f".{name}", getattr(value, name)) for name in names if hasattr(value, name)
    ]
    return iter([("", type(value)), *parts])


def _encode_lru_cache(walk: Walk, value: object) -> Steps | None:
    # What it remembers is no part of it.
    if walk.is_met(value):
        return None
    cached = cast("Any", value)
    walk.write(b"lru")
    children = [("", cached.__wrapped__), ("", cached.cache_parameters())]
    return iter(cast("list[tuple[str, object]]", children))


def _encode_code(walk: Walk, value: object) -> None:
    walk.write(b"code" + shape(cast("types.CodeType", value)))


# ---------------------------------------------------------------------------- classes


def encode_class(walk: Walk, value: object) -> None:
    """Write a class: a library's by name, the user's by number with a body."""
    kind = cast("type", value)
    module = kind.__module__
    if not isinstance(module, str):
        # The type of Cython's functions shows those of its instances.
        _write_library(walk, "builtins", kind.__qualname__)
        return
    is_static = not kind.__flags__ & _HEAP_TYPE
    is_known = module == "builtins" or (not is_local(module) and _is_named(kind))
    if is_static or is_known:
        _write_library(walk, module, kind.__qualname__)
    else:
        names = " ".join(sorted(vars(kind)))
        walk.write_code(kind, text(kind.__qualname__) + text(names))


def _class_body(walk: Walk, value: object) -> Steps:
    kind = cast("type", value)
    title = f"class {kind.__qualname__!r}"
    walk.write(b"k" + text(kind.__module__) + text(kind.__qualname__))
    yield f"metaclass of {title}", type(kind)
    for base in kind.__bases__:
        yield f"base of {title}", base
    members: Mapping[str, Any] = {}
    if isinstance(kind, EnumMeta):
        members = cast("Mapping[str, Any]", kind.__members__)
        for name, member in members.items():
            walk.write(b"e" + text(name) + text(repr(member.name)))
            yield f"member {name!r} of {title}", member.value
            state = {k: v for k, v in vars(member).items() if k not in _OF_A_MEMBER}
            yield f"member {name!r} of {title}", state
    for name, entry in vars(kind).items():
        if not _is_written_by_author(kind, name, members):
            continue
        walk.write(b"." + text(name))
        if isinstance(entry, _DESCRIPTORS):
            walk.write(b"slot")
        elif name == "__pydantic_decorators__":
            yield f"validators of {title}", _pydantic_decorators(entry)
        else:
            yield f"attribute {name!r} of {title}", entry
    walk.write(b"end")


def _pydantic_decorators(entry: Any) -> list[object]:
    # NB. Each decorator also holds a reference with its class's address.
    return [
        (field.name, name, found.cls_var_name, found.func, found.shim, found.info)
        for field in dataclasses.fields(entry)
        for name, found in getattr(entry, field.name).items()
    ]


_OF_A_MEMBER = frozenset(
    {"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"}
)


def _is_written_by_author(kind: type, name: str, members: Mapping[str, Any]) -> bool:
    if name in _MADE_BY_PYTHON:
        return False
    if isinstance(kind, EnumMeta) and (name in _MADE_BY_ENUM or name in members):
        return False
    if "__pydantic_core_schema__" in vars(kind):
        derived = name.startswith("__pydantic_") or name == "__signature__"
        return name in _KEPT_OF_PYDANTIC or not derived
    return True


# ---------------------------------------------------------------------------- modules


def _encode_module(walk: Walk, value: object) -> None:
    module = cast("types.ModuleType", value)
    name = module.__name__
    if name == "__main__":
        raise Unfingerprintable("the module '__main__' as a whole")
    if is_local(name):
        walk.write_code(module, text(name))
    else:
        _write_library(walk, name, "")


def _module_body(walk: Walk, value: object) -> Steps:
    module = cast("types.ModuleType", value)
    walk.write(b"m" + text(module.__name__))
    for name, entry in sorted(vars(module).items()):
        if name.startswith("__") and name.endswith("__"):
            continue
        walk.write(b"." + text(name))
        yield f"{name!r} of module {module.__name__!r}", entry
    walk.write(b"end")


def encode_body(value: object) -> Encoder:
    """Return the encoder of the body of what `write_code` has numbered."""
    if isinstance(value, types.FunctionType):
        return _function_body
    return _class_body if isinstance(value, type) else _module_body


#: Encoders by exact type.
ENCODERS: Mapping[type, Encoder] = {
    types.FunctionType: _encode_function,
    types.BuiltinFunctionType: _encode_builtin,
    types.MethodType: _encode_method,
    types.MethodWrapperType: _encode_slot_of_instance,
    types.CellType: _encode_cell,
    types.CodeType: _encode_code,
    types.ModuleType: _encode_module,
    **dict.fromkeys(_DESCRIPTORS, _encode_descriptor),
    **dict.fromkeys(
        (staticmethod, classmethod, property, functools.cached_property),
        _encode_wrapping,
    ),
    type(functools.lru_cache(lambda: None)): _encode_lru_cache,
}
