"""The settings in force, as they are told of: without what is secret."""

from functools import reduce
from typing import Any

from nborch.control.forms import SettingForm
from nborch.settings import NAMES, Settings, sources

__all__ = ["told_settings"]

MASK = "••••"


def told_settings(settings: Settings) -> list[SettingForm]:
    """Return each setting, as it would be written, and where it comes from."""
    found = sources()
    return [
        {
            "name": name,
            "value": _written(name, reduce(getattr, name.split("."), settings)),
            "source": found[name],
        }
        for name in NAMES
    ]


def _written(name: str, value: Any) -> str | None:
    if value is None:
        return "none" if name.endswith("_limit") else None
    if name == "notify.urls":
        # NB. Their parts are names, passwords and tokens.
        return ", ".join(f"{url.partition(':')[0]}://{MASK}" for url in value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
