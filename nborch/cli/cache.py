"""``nborch cache``: see, check and free what the result cache holds."""

from datetime import UTC, datetime
from typing import Any

import click

from nborch.control.choosing import current_control, gathered, home_here
from nborch.control.forms import KeptForm
from nborch.settings import parse_size
from nborch.showing import size
from nborch.view.badge import duration
from nborch.view.table import print_facts, print_json, print_table

__all__ = ["cache"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _bytes(_context: Any, _parameter: Any, text: str | None) -> int | None:
    """Return the number of bytes of a size as it was typed."""
    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def cache() -> None:
    """See, check and free what the result cache holds."""


@cache.command()
@_as_json
def stats(*, as_json: bool) -> None:
    """Show how much is kept, and what it took to compute."""
    known = current_control().cache()
    if as_json:
        print_json(
            {
                "folder": known["folder"],
                "entries": known["entries"],
                "bytes": known["size"],
                "seconds": known["seconds"],
            }
        )
        return
    print_facts(
        {
            "Folder": known["folder"],
            "Results": str(known["entries"]),
            "Size": size(known["size"]),
            "Took": duration(known["seconds"]) if known["entries"] else None,
        }
    )


@cache.command("ls")
@click.option("--limit", default=30, show_default=True, help="How many at most.")
@_as_json
def ls(limit: int, *, as_json: bool) -> None:
    """List the newest results."""
    control = current_control()
    entries = gathered(control, control.cache_results, most=limit)
    if as_json:
        print_json(entries)
    elif not entries:
        click.echo("Nothing is kept yet.")
    else:
        print_table(["task", "kept", "took", "size", "key"], map(_row, entries))


@cache.command()
@click.argument("task", required=False)
@click.confirmation_option(prompt="Remove the results?")
def clear(task: str | None) -> None:
    """Remove all results, or those of one TASK."""
    done = current_control().clear_cache(task=task)
    click.echo(f"Removed {done['removed']} results, {size(done['freed'])}.")


@cache.command()
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=_bytes,
    help="Remove results until the rest fits, such as 5GB.",
)
def gc(max_size: int | None) -> None:
    """Remove what is expired or of no use; with --max-size, what is worth least."""
    done = current_control().collect_cache(max_bytes=max_size)
    click.echo(f"Freed {size(done['freed'])}.")


@cache.command()
def verify() -> None:
    """Read every byte that is kept, and remove what is damaged."""
    home = home_here(current_control(), "Reading every byte of the cache")
    findings = home.cache.verify()
    for finding in findings:
        click.echo(f"{finding.label}: {finding.problem}")
    told = f"{len(findings)} damaged results removed." if findings else "All is well."
    click.echo(told)


def _row(entry: KeptForm) -> list[str]:
    at = datetime.fromtimestamp(entry["created"], UTC).astimezone()
    took, bytes_ = duration(entry["seconds"]), size(entry["bytes"])
    return [entry["task"], f"{at:%Y-%m-%d %H:%M}", took, bytes_, entry["key"][:12]]
