"""What a magic or a shell command in a transformed cell does to its surroundings."""

import ast
import re
from enum import Enum

__all__ = [
    "Magic",
    "bound_by_magic",
    "expanded_names",
    "magic_kind",
    "magic_words",
    "shell_method",
]


class Magic(Enum):
    """What running a magic means for restoring a cell that holds it."""

    #: Runs the code it is given in the namespace: ``%time x = f()``.
    CODE = "code"
    #: Runs the code it is given as the body of a function: ``%timeit f(x)``.
    TIMED = "timed"
    #: Shows something and changes nothing: ``%%html``.
    DISPLAY = "display"
    #: Sets up the session and may be repeated at will: ``%matplotlib inline``.
    SETTING = "setting"
    #: Changes the world outside the namespace: ``%cd``, ``%%bash``.
    EFFECT = "effect"
    #: May read or bind any name: ``%run``, magics of other packages.
    UNKNOWN = "unknown"


_KINDS: dict[Magic, str] = {
    Magic.CODE: "time prun capture",
    Magic.TIMED: "timeit",
    Magic.DISPLAY: (
        "html HTML javascript js latex markdown svg SVG lsmagic magic quickref"
        " pinfo pinfo2 pdoc pdef psource pfile"
    ),
    Magic.SETTING: (
        "matplotlib load_ext reload_ext unload_ext config autoreload precision"
        " colors xmode autoawait autocall automagic gui pprint pdb"
    ),
    Magic.EFFECT: (
        "cd pushd popd env set_env pip conda mamba micromamba uv"
        " bash sh script cmd perl ruby python python2 python3 pypy system sx ! !!"
        " writefile file save alias unalias rehashx killbgscripts bookmark"
        " logstart logstop logon logoff notebook"
    ),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_SCRIPT_OUTPUT = re.compile(r"--(?:out|err|proc)[\s=]+([^\W\d]\w*)")


def magic_kind(name: str) -> Magic:
    """Return what the magic called `name` (without its ``%``) does.

    >>> magic_kind("matplotlib")
    <Magic.SETTING: 'setting'>
    """
    return _KIND_OF.get(name, Magic.UNKNOWN)


def shell_method(node: ast.AST) -> str | None:
    """Return ``"system"`` for the node of ``get_ipython().system``, else None."""
    match node:
        case ast.Attribute(
            value=ast.Call(func=ast.Name(id="get_ipython"), args=[], keywords=[]),
            attr=attribute,
        ):
            return attribute
    return None


def expanded_names(text: str) -> set[str]:
    """Return the names that IPython may put values of into a command line.

    >>> sorted(expanded_names("cat {folder / name} $suffix"))
    ['folder', 'name', 'suffix']
    """
    names = set(_DOLLAR.findall(text))
    for expression in _BRACES.findall(text):
        names.update(_IDENTIFIER.findall(expression))
    return names


def magic_words(code: str) -> set[str]:
    r"""Return what may be a name in the texts that a cell gives to magics.

    >>> sorted(magic_words("x = 1\nget_ipython().system('ls {folder}')"))
    ['folder', 'ls']
    """
    calls = (
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and shell_method(node.func)
    )
    given = (each for call in calls for value in call.args for each in ast.walk(value))
    return {
        word
        for each in given
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
        for word in _IDENTIFIER.findall(each.value)
    }


def bound_by_magic(name: str, line: str) -> list[str]:
    """Return the names that a cell magic binds by the options on its line.

    >>> bound_by_magic("capture", "--no-stderr printed")
    ['printed']
    >>> bound_by_magic("bash", "--out listing")
    ['listing']
    """
    if name == "capture":
        words = [word for word in line.split() if not word.startswith("-")]
        return words[:1]
    return _SCRIPT_OUTPUT.findall(line)
