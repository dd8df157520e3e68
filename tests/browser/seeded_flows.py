"""Flows of the seeded deployments: they really run, in a moment."""

import time
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from nborch import flow, task


@task
def extract(source: str) -> list[int]:
    """Return the rows of a source."""
    return list(range(len(source)))


@task
def count(rows: list[int]) -> int:
    """Return how many rows there are."""
    return len(rows)


@flow(name="daily-report", log_prints=True)
def daily_report(  # noqa: PLR0913  # a form with a field of each kind
    month: date,
    region: Literal["north", "south", "east", "west"] = "north",
    top: int = 10,
    threshold: float = 0.25,
    title: str = "Sales by region",
    *,
    draft: bool = True,
    recipients: list[str] | None = None,
    options: dict[str, str] | None = None,
    not_before: datetime | None = None,
) -> str:
    """Write the sales report of a month.

    Parameters
    ----------
    month
        Any day of the month that is reported on.
    region
        Whose sales.
    top
        How many products are listed.
    """
    told = f"{title}: {region}, {month:%B %Y}, the first {top} from {threshold:.0%}"
    print(told, draft, recipients, options, not_before)  # noqa: T201
    return told


@flow(name="load-orders", log_prints=True)
def load_orders(source: str = "warehouse/orders", rows: int = 1_000) -> int:
    """Load the orders of an hour into the warehouse."""
    print(f"Loading up to {rows:,} rows of {source}")  # noqa: T201
    return count(extract(source))


@flow(name="train-model")
def train_model(
    epochs: int = 3, rate: float = 0.1, model: Literal["ridge", "forest"] = "ridge"
) -> float:
    """Train the forecasting model and return its score."""
    return round(rate / epochs * len(model), 4)


@flow(name="wait-for", log_prints=True)
def wait_for(path: str = "", seconds: float = 0.0) -> str:
    """Wait until a file is there, or for so many seconds."""
    until = time.monotonic() + (seconds or 60)
    while time.monotonic() < until and not (path and Path(path).exists()):
        time.sleep(0.02)
    print("There it is.")  # noqa: T201
    return path


@flow(name="clean-up")
def clean_up(days: int = 30) -> int:
    """Remove what is older than some days."""
    return days
