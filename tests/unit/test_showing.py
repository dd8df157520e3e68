"""Showing: cards of tasks, flows and runs."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.showing import (
    GLYPHS,
    SHADES,
    card,
    of_flow,
    of_future,
    of_run,
    of_state,
    of_task,
)
from nborch.states import StateType


class Page(HTMLParser):
    """What a browser makes of HTML: its tags and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = set(), [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert {name for name, _ in attrs} <= {"style", "aria-hidden"}
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


HARMLESS = {"div", "span", "strong", "table", "tr", "td"}


@given(st.text(), st.text(), st.text())
def test_whatever_a_name_is_it_is_text(name, label, value):
    """No name, label or value becomes a tag or an attribute of a page."""
    page = Page(
        card("Task", name, [(label, value)], state=("FAILED", name))["text/html"]
    )

    assert page.tags <= HARMLESS
    if "\r" not in name and "\0" not in name:
        assert name in page.text


@pytest.mark.parametrize(
    "shown",
    [
        of_task("<script>", "(a='<script>')", description="<script>", tags=["<script>"], rows=[("<script>", "<script>")]),
        of_flow("<script>", "<script>"),
        of_state("FAILED", "<script>", "<script>"),
        of_future("<script>", ("FAILED", "<script>"), "<script>"),
        of_run("task", "<script>", "<script>", ("X", "<script>"), message="<script>", parameters={"<script>": "<script>"}, tags=["<script>"]),
    ],
)  # fmt: skip
def test_no_card_runs_a_script(shown):
    """A script in a name or a message is shown, not run."""
    assert "<script" not in shown["text/html"]
    assert "<script>" in Page(shown["text/html"]).text
    assert "<script>" in shown["text/plain"]


def test_a_card_in_text_has_a_line_for_each_fact():
    """What is not known is left out; a zero is known."""
    rows = [("retries", 0), ("timeout", None), ("version", ""), ("cached", False)]
    shown = of_task(
        "clean", "(rows)", description=" Clean.\nMore.", tags=["b", "a"], rows=rows
    )

    assert shown["text/plain"].splitlines() == [
        "Task clean",
        "             Clean.",
        "  called as  clean(rows)",
        "  tags       a, b",
        "  retries    0",
        "  cached     False",
    ]


def test_a_run_says_where_it_stands():
    """The card of a run has the sign of its state, what it took and its parameters."""
    shown = of_run(
        "flow", "calm-owl", "etl", ("COMPLETED", "Cached"),
        seconds=83, parameters={"month": 5, "title": "a"}, message="All fine",
    )  # fmt: skip

    assert shown["text/plain"].splitlines() == [
        "Flow run calm-owl ✓ Cached",
        "  of          etl",
        "  message     All fine",
        "  took        1 min 23 s",
        "  parameters  month=5, title='a'",
    ]


@pytest.mark.parametrize("type_", StateType)
def test_every_state_has_a_sign_and_colours(type_):
    """Each state type is told by a sign as well as by a colour."""
    page = Page(of_state(type_, type_.value.title())["text/html"])

    assert GLYPHS[type_] in page.text
    assert SHADES[type_].line in of_state(type_, "x")["text/html"]


def luminance(colour):
    """Return the relative luminance of a colour, as the WCAG define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("type_", SHADES)
def test_the_text_of_a_box_can_be_read(type_):
    """Text on its box has a contrast of at least 4.5, in light and in dark pages."""
    light, dark = luminance(SHADES[type_].fill), luminance(SHADES[type_].text)

    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_long_value_is_cut():
    """A card stays small, whatever it is given."""
    shown = of_run("flow", "f", "f", parameters={f"p{n}": "x" * 200 for n in range(99)})

    assert len(shown["text/html"]) < 3000
    assert "…" in shown["text/plain"]
