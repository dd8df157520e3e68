"""``nborch cache``: see, check and free what the result cache holds."""

from datetime import UTC, datetime
from typing import Any

import click

from nborch.cache.base import KeptResult
from nborch.home import current_home
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
    results = current_home().cache
    known = results.stats()
    if as_json:
        print_json(
            {
                "folder": str(results.folder),
                "entries": known.entries,
                "bytes": known.bytes,
                "seconds": known.seconds,
            }
        )
        return
    print_facts(
        {
            "Folder": str(results.folder),
            "Results": str(known.entries),
            "Size": size(known.bytes),
            "Took": duration(known.seconds) if known.entries else None,
        }
    )


@cache.command("ls")
@click.option("--limit", default=30, show_default=True, help="How many at most.")
@_as_json
def ls(limit: int, *, as_json: bool) -> None:
    """List the newest results."""
    entries = sorted(
        current_home().cache.entries(), key=lambda entry: entry.created_at, reverse=True
    )[:limit]
    if as_json:
        print_json([_facts(entry) for entry in entries])
    elif not entries:
        click.echo("Nothing is kept yet.")
    else:
        print_table(["task", "kept", "took", "size", "key"], map(_row, entries))


@cache.command()
@click.argument("task", required=False)
@click.confirmation_option(prompt="Remove the results?")
def clear(task: str | None) -> None:
    """Remove all results, or those of one TASK."""
    results = current_home().cache
    keys = [e.key for e in results.entries() if task is None or e.label == task]
    removed = sum(results.forget(key) for key in keys)
    freed = results.collect()
    click.echo(f"Removed {removed} results, {size(freed)}.")


@cache.command()
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=_bytes,
    help="Remove results until the rest fits, such as 5GB.",
)
def gc(max_size: int | None) -> None:
    """Remove what is expired or of no use; with --max-size, what is worth least."""
    freed = current_home().cache.collect(max_size)
    click.echo(f"Freed {size(freed)}.")


@cache.command()
def verify() -> None:
    """Read every byte that is kept, and remove what is damaged."""
    findings = current_home().cache.verify()
    for finding in findings:
        click.echo(f"{finding.label}: {finding.problem}")
    told = f"{len(findings)} damaged results removed." if findings else "All is well."
    click.echo(told)


def _facts(entry: KeptResult) -> dict[str, Any]:
    return {
        "key": entry.key,
        "task": entry.label,
        "created": entry.created_at,
        "seconds": entry.seconds,
        "bytes": entry.size,
        "expires": entry.expires_at,
    }


def _row(entry: KeptResult) -> list[str]:
    at = datetime.fromtimestamp(entry.created_at, UTC).astimezone()
    took = duration(entry.seconds)
    return [entry.label, f"{at:%Y-%m-%d %H:%M}", took, size(entry.size), entry.key[:12]]
