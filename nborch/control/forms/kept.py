"""The result cache and the settings, as a control plane tells of them."""

from typing import Annotated, Literal, TypedDict

from nborch.control.forms.basics import Bounds, Cursor, Text, Time

__all__ = [
    "CacheForm",
    "CacheOfTask",
    "ClearRequest",
    "Cleared",
    "CollectRequest",
    "Health",
    "KeptForm",
    "KeptPage",
    "SettingForm",
    "SettingPage",
    "VersionForm",
]


class KeptForm(TypedDict):
    """A kept result."""

    key: str
    task: str
    created: Time
    seconds: float
    bytes: int
    expires: Time | None


class KeptPage(TypedDict):
    """Kept results, the newest first."""

    items: list[KeptForm]
    next: Cursor


class CacheOfTask(TypedDict):
    """What the cache holds of a task, and what that has saved."""

    task: str
    entries: int
    size: int
    seconds: float
    hits: int
    seconds_saved: float


class CacheForm(TypedDict):
    """What the result cache holds, and what it has saved."""

    folder: str
    size: Annotated[int, "Bytes on disk."]
    limit: Annotated[int | None, "Bytes that it may take."]
    entries: int
    seconds: Annotated[float, "What computing all of it took."]
    hits: Annotated[int, "Task runs that were not called, of the last 30 days."]
    seconds_saved: float
    by_task: list[CacheOfTask]


class ClearRequest(TypedDict, total=False):
    """Which results are removed; all of them if nothing is said."""

    task: Text | None
    older_than: Annotated[float | None, "Seconds.", Bounds(minimum=0, maximum=1e12)]


class CollectRequest(TypedDict, total=False):
    """To how many bytes the cache is brought down."""

    max_bytes: Annotated[int | None, Bounds(minimum=0, maximum=2**60)]


class Cleared(TypedDict):
    """What was removed."""

    removed: int
    freed: Annotated[int, "Bytes."]


class SettingForm(TypedDict):
    """A setting in force."""

    name: str
    value: Annotated[str | None, "As it would be written; secrets are masked."]
    source: Annotated[str, "Where it comes from."]


class SettingPage(TypedDict):
    """The settings in force."""

    items: list[SettingForm]
    next: Cursor


class Health(TypedDict):
    """Whether the server answers."""

    status: Literal["ok"]


class VersionForm(TypedDict):
    """What answers."""

    name: Literal["nborch"]
    version: str
    api: int
