"""The browser's side as one text: what a widget takes along."""

import re
from collections import Counter
from importlib.resources import files

from nborch.static import bundle

MODULES = sorted(
    path.read_text("utf-8")
    for path in files("nborch.static").iterdir()
    if path.name.endswith(".js")
)
DECLARED = re.compile(
    r"^(?:export )?(?:const|let|class|function\*?|async function) +(\w+)", re.MULTILINE
)


def test_the_modules_declare_different_names():
    """What modules declare has names of its own: in the bundle they meet."""
    names = Counter(name for text in MODULES for name in DECLARED.findall(text))

    assert [name for name, count in names.items() if count > 1] == []


def test_the_bundle_holds_every_module():
    """The bundle has what all modules declare, and imports nothing."""
    declared = {name for text in MODULES for name in DECLARED.findall(text)}

    assert declared <= set(re.findall(r"\w+", bundle()))
    assert "import " not in bundle()
