"""What ``%%task?``, ``%%flow?`` and ``--help`` show: the options with examples."""

import textwrap

from nborch.notebook.headers.options import FLOW, TASK, options_of

__all__ = ["manual"]

_ABOUT = {
    TASK: """\
Run a cell once, then restore it.

The names that the cell reads are its inputs, those that it binds are its outputs. When
neither its code nor an input has changed, the outputs and all that it showed are
restored instead of computed, in this kernel and in any other. Files that it reads and
functions that it calls are inputs, too. What cannot be compared runs, and the line
under the cell says why.""",
    FLOW: """\
Run a cell as one flow run.

The tasks that the cell calls or submits belong to the run, which ends when all of them
have ended. The names that the cell binds stay, as of any cell; nothing is cached, but
its tasks reuse their own results.""",
}

_EXAMPLES = {
    TASK: """\
%%task clean
flights = raw.dropna()

%%task download --retries 3 --retry-delay 10s,1m --timeout 5m
page = requests.get(url).text

%%task load --files data/*.csv --env REGION --cache-expiration 1d
%%task model --needs features,target --makes model
%%task report-{month:02d} --tags nightly --log-prints""",
    FLOW: """\
%%flow nightly --retries 1 --log-prints
pages = [fetch.submit(url) for url in urls]
sizes = [len(page.result()) for page in pages]""",
}


def manual(magic: str) -> str:
    """Return the help on a magic.

    >>> print(manual("%%flow").splitlines()[0])
    %%flow [NAME] [OPTIONS]: Run a cell as one flow run.
    """
    options = options_of(magic).values()
    width = max(len(option.usage) for option in options) + 2
    told = "\n".join(
        textwrap.fill(
            option.about,
            width=88,
            initial_indent=f"    {option.usage:<{width}}",
            subsequent_indent=" " * (4 + width),
        )
        for option in options
    )
    examples = textwrap.indent(_EXAMPLES[magic], "    ")
    return (
        f"{magic} [NAME] [OPTIONS]: {_ABOUT[magic]}\n\n"
        f"Examples::\n\n{examples}\n\n"
        f"Options, as --option value or --option=value::\n\n{told}\n\n"
        "{expressions} and $names of the notebook are put in first.\n"
    )
