"""The link of a graph to the page of its run."""

import pytest
from runs_shown import small, snapshot

#: What Jupyter's own pages tell of themselves.
AROUND = """(told) => {
  const element = document.createElement("script");
  element.type = "application/json";
  element.id = "jupyter-config-data";
  element.textContent = told;
  document.body.append(element);
}"""
SERVER = "http://127.0.0.1:4200/runs/run-1"


@pytest.mark.parametrize(
    ("around", "facts", "leads_to"),
    [
        # Jupyter shows the home of the run: its own page, also if there is a server.
        ('{"baseUrl": "/user/ann/", "nborchHome": "ab"}', {"home": "ab"}, "here"),
        (
            '{"baseUrl": "/user/ann/", "nborchHome": "ab"}',
            {"home": "ab", "link": SERVER},
            "here",
        ),
        # It shows another one, or has no pages.
        (
            '{"baseUrl": "/user/ann/", "nborchHome": "cd"}',
            {"home": "ab", "link": SERVER},
            SERVER,
        ),
        ('{"baseUrl": "/user/ann/"}', {"home": "ab"}, None),
        ("{", {"home": "ab", "link": SERVER}, SERVER),
        (None, {"home": "ab"}, None),
        (None, {"link": "javascript:alert(1)"}, None),
    ],
)
def test_a_graph_links_to_the_page_of_its_run(page, show, around, facts, leads_to):
    """Inside Jupyter it is its own page, else that of a server that runs by itself."""
    if around is not None:
        page.evaluate(AROUND, around)

    show(snapshot(small(), **facts))

    link = page.locator(".nb-header a")
    if leads_to is None:
        assert link.is_hidden()
    else:
        here = "/user/ann/nborch/runs/run-1"
        expected = here if leads_to == "here" else leads_to
        assert link.get_attribute("href") == expected
