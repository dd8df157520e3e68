"""Settings: taken from the first place that names them."""

import os

import pytest

from nborch.exceptions import InvalidDeclaration
from nborch.home import current_home
from nborch.settings import KernelSettings, load_settings


def project(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)


def test_the_environment_comes_first(tmp_path):
    """NBORCH_HOME wins over a .nborch/ folder and over pyproject.toml."""
    project(tmp_path, '[tool.nborch]\nhome = "declared"\nlog_level = "ERROR"\n')
    (tmp_path / ".nborch").mkdir()

    told = load_settings(
        tmp_path, {"NBORCH_HOME": str(tmp_path / "named"), "NBORCH_LOG_LEVEL": "debug"}
    )

    assert (told.home, told.log_level) == (tmp_path / "named", "DEBUG")
    assert told.secret_file == tmp_path / "named" / "secret.key"


def test_a_folder_of_a_project_is_found_from_within_it(tmp_path):
    """The nearest .nborch/ upwards is the home."""
    (tmp_path / ".nborch").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    assert load_settings(inner, {}).home == tmp_path / ".nborch"


def test_a_folder_that_came_with_a_project_brings_no_key(tmp_path):
    """The key that makes results trusted never lies in a project's .nborch/."""
    (tmp_path / ".nborch").mkdir()

    told = load_settings(tmp_path, {})

    assert not told.secret_file.is_relative_to(tmp_path)


def test_a_declared_home_is_meant_from_its_file(tmp_path):
    """A relative home in pyproject.toml lies beside that file."""
    project(tmp_path, '[tool.nborch]\nhome = "state"\n')
    inner = tmp_path / "a"
    inner.mkdir()

    assert load_settings(inner, {}).home == tmp_path / "state"


def test_without_a_word_the_users_folder_is_home(tmp_path):
    """The home is the user's data folder if nothing names another."""
    told = load_settings(tmp_path, {})

    assert told.home == told.secret_file.parent
    assert told.log_level == "INFO"


def test_kernels_have_a_table_of_their_own(tmp_path):
    """[tool.nborch.kernels] says how kernels are kept warm, and so do variables."""
    project(
        tmp_path,
        '[tool.nborch.kernels]\npool = 2\nmax_age_minutes = 5\npreload = ["pandas", "a.b"]\n',
    )

    told = load_settings(tmp_path, {}).kernels
    environ = {"NBORCH_KERNELS_POOL": "0", "NBORCH_KERNELS_PRELOAD": "numpy"}
    changed = load_settings(tmp_path, environ).kernels

    assert told == KernelSettings(2, 5, ("pandas", "a.b"))
    assert changed == KernelSettings(0, 5, ("numpy",))
    assert load_settings(tmp_path.parent, {}).kernels == KernelSettings(None, 30, ())


def test_kernels_can_be_told_not_to_fork(tmp_path):
    """kernels.fork is true or false, in the file and in a variable."""
    project(tmp_path, "[tool.nborch.kernels]\nfork = false\n")

    assert not load_settings(tmp_path, {}).kernels.fork
    assert load_settings(tmp_path, {"NBORCH_KERNELS_FORK": "True"}).kernels.fork
    with pytest.raises(
        InvalidDeclaration, match=r"kernels\.fork must be true or false"
    ):
        load_settings(tmp_path, {"NBORCH_KERNELS_FORK": "maybe"})


def test_the_graph_of_a_run_can_be_left_out(tmp_path):
    """`graph` says whether notebooks show their runs, and a variable says otherwise."""
    project(tmp_path, '[tool.nborch]\ngraph = "freeze"\n')

    told = load_settings(tmp_path, {})
    changed = load_settings(tmp_path, {"NBORCH_GRAPH": "OFF"})

    assert (told.graph, changed.graph) == ("freeze", "off")
    assert load_settings(tmp_path.parent, {}).graph == "auto"


def test_lines_below_a_graph_can_be_kept(tmp_path):
    """`graph_lines` says which states are printed below the graph that shows them."""
    project(tmp_path, '[tool.nborch]\ngraph_lines = "all"\n')

    assert load_settings(tmp_path, {}).graph_lines == "all"
    assert load_settings(tmp_path.parent, {}).graph_lines == "failures"


@pytest.mark.parametrize("text", ["70_000", '"70_000"'])
def test_a_number_is_written_as_one_or_as_text(tmp_path, text):
    """The number of lines that are kept can be declared, and set for one process."""
    project(tmp_path, f"[tool.nborch]\nlog_lines_limit = {text}\n")

    assert load_settings(tmp_path, {}).log_lines_limit == 70_000
    environ = {"NBORCH_LOG_LINES_LIMIT": "5"}
    assert load_settings(tmp_path, environ).log_lines_limit == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.nborch.kernels]\nsize = 2\n",
            "has an unknown setting 'kernels.size'",
        ),
        (
            '[tool.nborch.kernels]\npreload = ["no module"]\n',
            "kernels.preload must name modules, not 'no module'",
        ),
        (
            '[tool.nborch]\nhme = "x"\n',
            "has an unknown setting 'hme'. Did you mean 'home'",
        ),
        (
            '[tool.nborch]\nlog_level = "loud"\n',
            "Log level 'loud' does not exist. Choose one of DEBUG",
        ),
        ("[tool.nborch]\nlog_level = 10\n", "log_level must be a text, not 10"),
        ("[tool.nborch]\nhome = [\n", "cannot be read"),
        (
            '[tool.nborch]\nlog_lines_limit = "all"\n',
            "log_lines_limit must be a whole number, not 'all'",
        ),
        (
            '[tool.nborch]\ngraph = "frieze"\n',
            "graph cannot be 'frieze'. Choose one of auto, freeze, off. Did you mean",
        ),
    ],
)
def test_a_wrong_setting_is_told(tmp_path, text, message):
    """A setting that is unknown or makes no sense is told with its file."""
    project(tmp_path, text)

    with pytest.raises(InvalidDeclaration, match=message):
        load_settings(tmp_path, {})


def test_a_wrong_level_has_a_suggestion(tmp_path):
    """A mistyped log level is told with the nearest one."""
    with pytest.raises(InvalidDeclaration, match="Did you mean 'WARNING'"):
        load_settings(tmp_path, {"NBORCH_LOG_LEVEL": "warnig"})


def test_a_pyproject_of_others_is_not_read(tmp_path):
    """A broken pyproject.toml without our table is none of our business."""
    project(tmp_path, "[tool.other\n")

    assert load_settings(tmp_path, {}).log_level == "INFO"


def test_a_current_folder_that_was_removed_is_no_fault(tmp_path, monkeypatch):
    """Work goes on in a folder that somebody removed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setenv("NBORCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert current_home().folder == tmp_path / "home"
    os.chdir(tmp_path)
