"""What the commands load of the notebook format."""

import importlib.util

import pytest

LOADS = """
    import sys
    from nborch.cli.formats import load_format

    load_format()
    before = "rfc3987_syntax" in sys.modules
    import nbformat

    print(before, "rfc3987_syntax" in sys.modules, "jsonschema" in sys.modules)
    if sys.argv[1:]:
        import rfc3987_syntax
"""


def test_no_grammar_is_built_for_a_notebook(script):
    """A command loads the notebook format without the grammar of addresses."""
    installed = importlib.util.find_spec("rfc3987_syntax") is not None

    program = script(LOADS, *["installed"] * installed)
    told, trouble = program.communicate(timeout=60)

    # And who asks for the grammar by name still gets it
    assert (program.returncode, trouble) == (0, "")
    assert told == "False False True\n"


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_the_commands_load_it_so(command, script, tmp_path):
    """The commands that read notebooks do that before they read one."""
    program = script(
        """
        import sys
        from nborch.cli import formats, main
        sys.argv[1:] = [sys.argv[1], "absent.ipynb"]
        try:
            main.main()
        finally:
            print("jsonschema" in sys.modules, "rfc3987_syntax" in sys.modules)
        """,
        command,
    )

    told, trouble = program.communicate(timeout=60)

    assert "There is no notebook 'absent.ipynb'" in trouble
    assert told == "True False\n"
