"""What a graph takes along for a page that has no Python to ask."""

import base64
import gzip
import json
import random
import re
from html.parser import HTMLParser

import pytest

from nborch.static import bundle, css
from nborch.view.packing import standing
from nborch.view.standalone import details_of

EVIL = '</script><img src=x onerror="alert(1)"><!--<script>'


def node(run_id, kind="COMPLETED", **facts):
    state = {"type": kind, "name": kind.title(), "message": None}
    return {"id": run_id, "of": run_id, "name": run_id, "state": state, **facts}


def kept_in(html):
    """What the script of an output unpacks."""
    [told] = re.findall(r'unpack\("([^"]+)"\)\)\);', html)
    return json.loads(gzip.decompress(base64.b64decode(told)))


class Tags(HTMLParser):
    """Notes the tags of a page, and the text within scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


class TestOutput:
    def test_what_it_holds(self):
        """The picture is there as it was, and the graph with its details for a script."""
        snapshot = {"run": {"name": "owl"}, "nodes": [node("1")]}

        html = standing("<p>picture</p>", "abc", snapshot, {"1": {"code": "x = 1"}})

        assert "<p>picture</p>" in html
        assert kept_in(html) == {
            "snapshot": snapshot,
            "details": {"1": {"code": "x = 1"}},
        }

    def test_no_text_ends_the_script(self):
        """Whatever names, logs and errors say, they are no part of the page."""
        snapshot = {"run": {"name": EVIL}, "nodes": [node(EVIL)]}

        html = standing("<p></p>", "abc", snapshot, {EVIL: {"code": EVIL}})

        assert Tags(html).tags == ["div", "p", "script"]
        assert html.lower().count("</script") == 1
        assert "<!--" not in html
        assert kept_in(html)["details"] == {EVIL: {"code": EVIL}}

    def test_every_output_has_a_place_of_its_own(self):
        """Two outputs of one graph do not stand in each other's place."""
        snapshot = {"run": {}, "nodes": []}

        marks = [
            re.findall(r'data-nborch="(\w+)"', standing("", "abc", snapshot))
            for _ in range(2)
        ]

        assert marks[0] != marks[1]

    def test_it_asks_the_network_for_nothing(self):
        """The code and the style of an output name no place to load more from."""
        told = (bundle() + css()).replace("http://www.w3.org/", "")

        assert not re.search(r"https?://|@import|url\(|\bfetch\(", told)


class TestDetails:
    def test_what_went_wrong_comes_first(self):
        """Runs that did not complete are looked up before others, then those retried."""
        nodes = [
            node("well"),
            node("again", attempts=[{}, {}]),
            node("crashed", "CRASHED"),
            node("failed", "FAILED"),
        ]

        found = details_of({"nodes": nodes}, lambda run: {"key": run})

        assert list(found) == ["crashed", "failed", "again", "well"]

    def test_there_is_room_for_so_much(self):
        """What does not fit is left out, and what went wrong fits."""
        chance = random.Random(1)
        nodes = [node(str(n)) for n in range(200)] + [node("failed", "FAILED")]

        def detail(run):
            return {"code": f"{chance.getrandbits(4000):x}"}

        found = details_of({"nodes": nodes}, detail, room=20_000, seconds=60)

        assert "failed" in found
        assert 5 < len(found) < 100
        assert len(standing("", "", {}, found)) - len(standing("", "", {})) < 21_000

    def test_nobody_waits_for_long(self):
        """Without time only what went wrong is looked up."""
        nodes = [node("well"), node("failed", "FAILED"), node("cancelled", "CANCELLED")]

        found = details_of({"nodes": nodes}, lambda run: {"key": run}, seconds=0)

        assert list(found) == ["failed", "cancelled"]

    def test_long_texts(self):
        """Of a log the end is kept, of a traceback too, and of a value the beginning."""
        lines = [{"at": 0, "level": "INFO", "message": f"line {n}"} for n in range(200)]
        told = {
            "log": lines,
            "more_log": False,
            "error": {
                "type": "E",
                "message": "m" * 10**6,
                "traceback": "x" * 10**6 + "!",
            },
            "inputs": [{"name": "rows", "preview": "r" * 10**6}],
            "parameters": {"rows": "r" * 10**6},
        }

        found = details_of({"nodes": [node("1")]}, lambda _: told)["1"]

        assert found["log"][-1]["message"] == "line 199"
        assert found["more_log"] is True
        assert found["error"]["traceback"].endswith("x!")
        assert found["inputs"][0]["preview"].startswith("rrr")
        assert "parameters" not in found
        assert len(json.dumps(found)) < 30_000

    @pytest.mark.parametrize("fails", [True, False])
    def test_what_is_not_known(self, fails):
        """A graph stands without details that nobody has any more."""

        def detail(_run):
            if fails:
                raise OSError("the store is gone")

        assert details_of({"nodes": [node("1")]}, detail) == {}
