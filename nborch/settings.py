"""Where nborch keeps its things and how loud it is.

Each setting is taken from the first place that names it: an ``NBORCH_*``
environment variable, ``[tool.nborch]`` in the nearest ``pyproject.toml``, the
default.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nborch.exceptions import InvalidDeclaration, did_you_mean

__all__ = [
    "KernelSettings",
    "NotifySettings",
    "Settings",
    "load_settings",
    "parse_size",
    "project_deployments",
    "sources",
]

FOLDER = ".nborch"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: What a notebook may do with the graphs of its runs.
GRAPHS = ("auto", "freeze", "off")
#: Which states of runs are printed below the graph that shows them.
GRAPH_LINES = ("failures", "all")
NAMES = (
    "home",
    "log_level",
    "log_lines_limit",
    "cache_size_limit",
    "output_size_limit",
    "graph",
    "graph_lines",
    "kernels.pool",
    "kernels.max_age_minutes",
    "kernels.preload",
    "kernels.fork",
    "notify.urls",
    "notify.on",
)
#: Those that are whole numbers; the others are texts.
NUMBERS = ("log_lines_limit", "kernels.pool", "kernels.max_age_minutes")
#: Those that are true or false.
SWITCHES = ("kernels.fork",)
LOG_LINES_LIMIT = 50_000
CACHE_SIZE_LIMIT = 20_000_000_000
OUTPUT_SIZE_LIMIT = 8_000_000
_SWITCHED = {"true": True, "1": True, "false": False, "0": False}
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """How kernels are kept warm: ``[tool.nborch.kernels]``.

    Parameters
    ----------
    pool
        How many kernels wait; None for as many as run at once, where notebooks are
        run again and again.
    preload
        Modules that a waiting kernel imports.
    fork
        Whether kernels are forked, where they can be, from one that has imported what
        they need.
    """

    pool: int | None = None
    max_age_minutes: int = 30
    preload: tuple[str, ...] = ()
    fork: bool = True


#: Ends of runs that can be told of.
ENDS = ("completed", "failed", "timedout", "crashed", "cancelled")


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Who is told how runs end: ``[tool.nborch.notify]``.

    Parameters
    ----------
    urls
        Addresses as apprise takes them; ``${env:NAME}`` stands for a variable.
    on
        The ends that are told of, each one of `ENDS`.
    """

    urls: tuple[str, ...] = ()
    on: tuple[str, ...] = ("failed", "timedout", "crashed")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force.

    Parameters
    ----------
    home
        Folder of the database, the results and the locks.
    secret_file
        Signs the kept results. It lies in the home only if the user named that
        himself: a ``.nborch/`` that came with somebody's project must not bring the
        key that makes its results trusted.
    log_level
        The least level that is printed: one of `LEVELS`.
    log_lines_limit
        How many lines of a run's log are stored, beside its last ones.
    cache_size_limit
        Bytes that the kept results may take; past it those of the least worth go.
        None means no limit. Written as ``20GB`` or ``none``.
    kernels
        How kernels are kept warm.
    output_size_limit
        Bytes that the outputs of one cell may take in an executed notebook; what is
        larger goes to files in the home. None means no limit.
    graph
        Whether a flow that runs in a notebook is shown as a graph: ``auto``, ``off``,
        or ``freeze``, which leaves a picture in the notebook when the run has ended.
    graph_lines
        Which states of runs are printed below a graph that shows them: ``failures``
        or ``all``.
    notify
        Who is told how runs of deployments end.
    """

    home: Path
    secret_file: Path
    log_level: str = "INFO"
    log_lines_limit: int = LOG_LINES_LIMIT
    cache_size_limit: int | None = CACHE_SIZE_LIMIT
    kernels: KernelSettings = KernelSettings()
    output_size_limit: int | None = OUTPUT_SIZE_LIMIT
    graph: str = "auto"
    graph_lines: str = "failures"
    notify: NotifySettings = NotifySettings()


def load_settings(
    start: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings for work that happens in the folder `start`.

    >>> load_settings(environ={"NBORCH_HOME": "/srv/nborch"}).home
    PosixPath('/srv/nborch')

    Parameters
    ----------
    start
        Where the search for ``.nborch/`` and ``pyproject.toml`` begins, upwards;
        the current folder if not given.
    """
    start = Path(start or Path.cwd()).absolute()
    declared = _project_table(start)
    level = environ.get("NBORCH_LOG_LEVEL") or declared.get("log_level") or "INFO"
    if level.upper() not in LEVELS:
        raise InvalidDeclaration(
            f"Log level {level!r} does not exist. Choose one of {', '.join(LEVELS)}."
            f"{did_you_mean(level.upper(), LEVELS)}"
        )
    if named := environ.get("NBORCH_HOME"):
        own = home = Path(named).expanduser().absolute()
    else:
        own = _users_folder()
        home = _nearest(start, FOLDER, Path.is_dir) or Path(declared.get("home", own))
    limit = _number("log_lines_limit", environ, declared, LOG_LINES_LIMIT)
    room = _size("cache_size_limit", environ, declared, CACHE_SIZE_LIMIT)
    kernels = _kernels(environ, declared)
    shown = _size("output_size_limit", environ, declared, OUTPUT_SIZE_LIMIT)
    graph = _choice("graph", GRAPHS, environ, declared)
    lines = _choice("graph_lines", GRAPH_LINES, environ, declared)
    return Settings(
        home,
        own / "secret.key",
        level.upper(),
        limit,
        room,
        kernels,
        shown,
        graph,
        lines,
        _notify(environ, declared),
    )


def project_deployments(start: Path) -> tuple[Path, dict[str, dict[str, object]]]:
    """Return ``[tool.nborch.deployments]`` of the nearest pyproject.toml, and its path.

    Raises
    ------
    InvalidDeclaration
        There is none, or it declares no deployments.
    """
    path = _nearest(start, "pyproject.toml")
    table = {} if path is None else _tables(path).get("deployments", {})
    good = isinstance(table, dict) and all(isinstance(t, dict) for t in table.values())
    if path is None or not table or not good:
        where = str(path or "A pyproject.toml, which is not there,")
        raise InvalidDeclaration(
            f"{where} declares no deployments. Add one, such as: "
            '[tool.nborch.deployments.nightly] entrypoint = "etl.ipynb", '
            'work_pool = "NAME", cron = "0 2 * * *"'
        )
    return path, table


def sources(
    start: Path | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return where each setting comes from: a variable, a file, or "default".

    >>> sources(environ={"NBORCH_GRAPH": "off"})["graph"]
    'NBORCH_GRAPH'
    """
    start = Path(start or Path.cwd()).absolute()
    file, declared = _nearest(start, "pyproject.toml"), _project_table(start)
    found = {name: str(file) if name in declared else "default" for name in NAMES}
    if not environ.get("NBORCH_HOME") and (
        near := _nearest(start, FOLDER, Path.is_dir)
    ):
        found["home"] = str(near)
    variables = {name: f"NBORCH_{name.upper().replace('.', '_')}" for name in NAMES}
    return found | {n: each for n, each in variables.items() if environ.get(each)}


def parse_size(text: str) -> int:
    """Return the number of bytes that ``500MB`` or ``1.5 GB`` means.

    >>> parse_size("1.5 GB")
    1500000000

    Raises
    ------
    ValueError
        It is no size.
    """
    match = re.fullmatch(r"(\d+\.?\d*)\s*([KMGT]?)I?B?", text.strip().upper(), re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no size. Write it like 500MB or 1.5GB.")
    return int(float(match[1]) * _UNITS[match[2]])


def _kernels(environ: Mapping[str, str], declared: Mapping[str, str]) -> KernelSettings:
    """Return what is said of kernels, checked."""
    pool = _text("kernels.pool", environ, declared)
    preload = (_text("kernels.preload", environ, declared) or "").split(",")
    modules = tuple(name.strip() for name in preload if name.strip())
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")):
            raise InvalidDeclaration(
                f"The setting kernels.preload must name modules, not {name!r}. "
                "Separate them by commas, such as pandas,numpy."
            )
    return KernelSettings(
        None if pool is None else _number("kernels.pool", environ, declared, 1),
        _number("kernels.max_age_minutes", environ, declared, 30),
        modules,
        _switch("kernels.fork", environ, declared, default=True),
    )


def _notify(environ: Mapping[str, str], declared: Mapping[str, str]) -> NotifySettings:
    """Return what is said of notifications, checked."""
    urls = (_text("notify.urls", environ, declared) or "").split("\n")
    told = _text("notify.on", environ, declared)
    given = tuple(url.strip() for url in urls if url.strip())
    if told is None:
        return NotifySettings(given)
    ends = tuple(end.strip().lower() for end in re.split(r"[,\n]", told) if end.strip())
    for end in ends:
        if end not in ENDS:
            raise InvalidDeclaration(
                f"The setting notify.on knows no end {end!r}."
                f"{did_you_mean(end, ENDS)} Choose of: {', '.join(ENDS)}."
            )
    return NotifySettings(given, ends)


def _choice(
    name: str,
    choices: tuple[str, ...],
    environ: Mapping[str, str],
    declared: Mapping[str, str],
) -> str:
    """Return one of the choices; the first one is the default."""
    chosen = (_text(name, environ, declared) or choices[0]).lower()
    if chosen not in choices:
        raise InvalidDeclaration(
            f"The setting {name} cannot be {chosen!r}. Choose one of "
            f"{', '.join(choices)}.{did_you_mean(chosen, choices)}"
        )
    return chosen


def _text(
    name: str, environ: Mapping[str, str], declared: Mapping[str, str]
) -> str | None:
    """Return what is said of a setting, if anything is."""
    variable = f"NBORCH_{name.upper().replace('.', '_')}"
    return environ.get(variable) or declared.get(name)


def _size(
    name: str, environ: Mapping[str, str], declared: Mapping[str, str], default: int
) -> int | None:
    """Return a setting that is a size or ``none``, checked."""
    text = _text(name, environ, declared)
    if text is None:
        return default
    if text.strip().lower() == "none":
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise InvalidDeclaration(
            f"The setting {name}: {error} 'none' means no limit."
        ) from None


def _number(
    name: str, environ: Mapping[str, str], declared: Mapping[str, str], default: int
) -> int:
    """Return a setting that is a whole number, checked."""
    text = _text(name, environ, declared) or str(default)
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidDeclaration(
            f"The setting {name} must be a whole number, not {text!r}. "
            f"Write it in digits, such as {default}."
        )
    return int(digits)


def _switch(
    name: str, environ: Mapping[str, str], declared: Mapping[str, str], *, default: bool
) -> bool:
    """Return a setting that is true or false, checked."""
    text = _text(name, environ, declared) or str(default)
    if text.lower() not in _SWITCHED:
        raise InvalidDeclaration(
            f"The setting {name} must be true or false, not {text!r}."
        )
    return _SWITCHED[text.lower()]


def _users_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("nborch", appauthor=False))


def _nearest(
    start: Path, name: str, exists: Callable[[Path], bool] = Path.is_file
) -> Path | None:
    """Return the first `name` in `start` or in a folder above it."""
    folders = (start, *start.parents)
    return next((f / name for f in folders if exists(f / name)), None)


def _project_table(start: Path) -> dict[str, str]:
    """Return ``[tool.nborch]`` of the nearest pyproject.toml, checked."""
    path = _nearest(start, "pyproject.toml")
    if path is None or b"[tool.nborch" not in path.read_bytes():
        return {}

    table = _tables(path)
    # They are read by who deploys them.
    table.pop("deployments", None)
    for group in ("kernels", "notify"):
        if isinstance(table.get(group), dict):
            # NB. Before any check: a table within the table is no unknown setting.
            inner = table.pop(group)
            table |= {f"{group}.{name}": value for name, value in inner.items()}
    for name, value in table.items():
        table[name] = _checked_text(path, name, value)
    values: dict[str, str] = dict(table)
    if "home" in values:
        # A relative home is meant from the file that says it.
        values["home"] = str(path.parent / Path(values["home"]).expanduser())
    return values


def _checked_text(path: Path, name: str, value: object) -> str:
    """Return a setting of pyproject.toml as text, as a variable would tell it."""
    if name not in NAMES:
        raise InvalidDeclaration(
            f"[tool.nborch] in {path} has an unknown setting {name!r}."
            f"{did_you_mean(name, NAMES)} Its settings are: {', '.join(NAMES)}."
        )
    if (name in NUMBERS and type(value) is int) or (
        name in SWITCHES and type(value) is bool
    ):
        return str(value)
    if isinstance(value, list) and _are_texts(value):
        if name == "kernels.preload":
            return ",".join(value)
        if name.startswith("notify."):
            return "\n".join(value)
    if not isinstance(value, str):
        raise InvalidDeclaration(
            f"[tool.nborch] in {path}: {name} must be a text, not {value!r}."
        )
    return value


def _tables(path: Path) -> dict[str, Any]:
    """Return ``[tool.nborch]`` of a pyproject.toml as it stands."""
    import tomllib

    try:
        tool = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except ValueError as error:
        raise InvalidDeclaration(f"{path} cannot be read: {error}.") from error
    table: dict[str, Any] = tool.get("nborch", {})
    return table


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
