"""What is remembered of a process between two cells never hides a change of it."""

import os
import sys
from types import ModuleType

import pytest

from nborch.notebook.effects.namespace import Uncachable
from nborch.notebook.effects.preferences import preferences
from nborch.notebook.effects.seeding import may_seed
from nborch.notebook.effects.surroundings import Surroundings


def test_the_environment_is_told_as_it_is_now(monkeypatch):
    """A variable that is set, changed or deleted is told so, whatever was told before."""
    told = []

    for value in ("1", "2", None):
        Surroundings.now()
        if value is None:
            monkeypatch.delenv("NBORCH_TEST_WORD")
        else:
            monkeypatch.setenv("NBORCH_TEST_WORD", value)
        told.append(Surroundings.now().environment.get("NBORCH_TEST_WORD"))

    assert told == ["1", "2", None]
    assert Surroundings.now().environment == {
        name: value for name, value in os.environ.items() if name[:1] != "_"
    }


@pytest.mark.parametrize("module", ["nborch_test_package", "os.nborch_test_part"])
def test_what_a_library_says_as_it_is_loaded(monkeypatch, module):
    """New variables are a library's if a package was loaded, and else the cell's."""
    before = Surroundings.now()
    monkeypatch.setenv("NBORCH_TEST_WORD", "1")
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    after = Surroundings.now()

    if "." not in module:
        before.check_against(after, imports=True)
        return
    with pytest.raises(Uncachable, match=r"changes os\.environ"):
        before.check_against(after, imports=True)


def test_an_option_of_pandas_is_told_each_time():
    """An option that is changed is told, one that is set back or new as well."""
    pandas = pytest.importorskip("pandas")
    config = pytest.importorskip("pandas._config.config")
    told = []

    for precision in (3, 4, 6):
        pandas.set_option("display.precision", precision)
        told.append(preferences().get("setting pandas.display.precision"))
    config.register_option("nborch_test.word", "a")
    pandas.set_option("nborch_test.word", "b")
    told.append(preferences().get("setting pandas.nborch_test.word"))
    del config._registered_options["nborch_test.word"]
    del config._global_config["nborch_test"]

    assert told == ["3", "4", None, "'b'"]
    assert "setting pandas.nborch_test.word" not in preferences()


def test_a_cell_that_seeds_is_found_once_it_is_there():
    """Whether cells may seed is told of those that there are, also of other ones."""
    cells = ["", "x = 1"]
    told = [may_seed(cells)]

    cells.append("random.seed(1)")
    told.append(may_seed(cells))
    cells.append("x = 2")
    told.append(may_seed(cells))
    cells[:] = ["", "y = 1", "y = 2", "y = 3", "random.seed(2)", "y = 4"]
    told += [may_seed(cells), may_seed(["", "x = 1"]), may_seed(cells), may_seed([])]
    cells[:] = ["", "x = 1"]
    told.append(may_seed(cells))
    cells[:] = ["", "random.seed(3)", "x = 2"]
    told.append(may_seed(cells))

    assert told == [False, True, True, True, False, True, False, False, True]
