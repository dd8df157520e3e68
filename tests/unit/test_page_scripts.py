"""What the pages are made of: modules as one script, colours, data in a document."""

import json
import re
from importlib.resources import files

import pytest

from nborch.server.pages import embedded
from nborch.showing import SHADES
from nborch.static import PAGES, page_script

STATIC = files("nborch.static")
MODULES = sorted(
    each.name for each in (STATIC / "pages").iterdir() if each.name.endswith(".js")
)
STYLE = (STATIC / "pages.css").read_text("utf-8")


def source(name):
    return (STATIC / "pages" / name).read_text("utf-8")


def test_every_module_of_the_pages_is_in_a_script():
    """What is in no script is never loaded; the theme is one of its own."""
    scripts = "".join(map(page_script, PAGES))

    for name in MODULES:
        assert (f"const $pages${name[:-3]} = " in scripts) == (name != "theme.js")


@pytest.mark.parametrize("page", PAGES)
def test_the_script_of_a_page_asks_for_no_other(page):
    """All imports are resolved; what is left are names of functions."""
    script = page_script(page)

    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    named = re.findall(r"= (\$[\w$]+);|\((\$[\w$]+)\.", script)
    made = re.findall(r"^const (\$[\w$]+) = \(", script, re.MULTILINE)
    assert {one or other for one, other in named} <= set(made)
    assert len(made) == len(set(made))


def test_a_page_without_a_graph_does_not_load_what_draws_one():
    """The list of runs takes a part of what the page of a run takes."""
    assert "$graph = " in page_script("run")
    assert "$graph = " not in page_script("runs")
    assert len(page_script("runs")) < len(page_script("run")) / 2


@pytest.mark.parametrize("name", MODULES)
def test_no_module_writes_html_or_runs_text(name):
    """What comes from runs is always text in the page, and addresses are relative."""
    text = source(name)

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text
    )
    assert not re.search(r"\beval\(|new Function|javascript:", text)
    assert not re.search(r"""["'`]/(api|runs|static|deployments)""", text)
    assert "setInterval" not in text or name == "times.js"


@pytest.mark.parametrize("name", MODULES)
def test_modules_stay_small(name):
    """A module does one job, said by its first line."""
    text = source(name)

    assert text.startswith("// ")
    assert text.count("\n") < 400


@pytest.mark.parametrize("state", sorted(SHADES))
def test_the_colours_of_states_are_those_of_everything_else(state):
    """A state has the same colour in a page as in a notebook."""
    rules = re.findall(
        r"([^{}]+)\{([^{}]*--nb-state:\s*light-dark\((#\w+)[^{}]*)\}", STYLE
    )
    own = [light for where, _, light in rules if f'"{state}"' in where]
    others = [
        light for where, _, light in rules if where.strip().endswith("[data-type]")
    ]

    assert (own or others)[0] == SHADES[state].line


@pytest.mark.parametrize(
    "value",
    ["</script><script>alert(1)</script>", "<!--", "<SCRIPT", "\u2028", "é\ud800"],
)
def test_data_in_a_document_does_not_end_it(value):
    """Whatever a run is called, it stays within its element, and comes back as it was."""
    told = embedded({"name": value})

    assert "<" not in told
    assert json.loads(told) == {"name": value}
