"""Looking at the run graph in a page: what tests of it share."""

from runs_shown import BEGUN

TIMES = "\N{MULTIPLICATION SIGN}"
CARD = ".nb-node[data-id='{}']"

#: What the innermost parts of elements say.
TEXTS = """(all) => all.map((one) => {
  const inner = [...one.querySelectorAll("*")].filter((part) => !part.children.length);
  return (inner.length ? inner : [one]).map((part) => part.textContent).join(" ");
})"""

DETAIL = {
    "id": "check-0",
    "history": [
        {"at": BEGUN, "type": "PENDING", "name": "Pending"},
        {"at": BEGUN + 2, "type": "FAILED", "name": "Failed", "message": "3 rows"},
    ],
    "attempts": [
        {
            "n": 1,
            "started": BEGUN,
            "ended": BEGUN + 1,
            "type": "FAILED",
            "name": "Failed",
        },
        {
            "n": 2,
            "started": BEGUN + 1,
            "ended": BEGUN + 2,
            "type": "FAILED",
            "name": "Failed",
        },
    ],
    "inputs": [{"name": "rows", "digest": "9f2c11ab77e0d3", "preview": "[1, 2, 3]"}],
    "outputs": [{"name": "result", "digest": None, "preview": "None"}],
    "key": "b1946ac9",
    "source_run": None,
    "saved_seconds": None,
    "why": "rows has changed",
    "error": {"type": "ValueError", "message": "3 rows", "traceback": "File etl.py"},
    "log": [{"at": BEGUN, "level": "INFO", "logger": "etl", "message": "reading"}],
    "more_log": False,
    "next": 7,
    "parameters": {},
    "tags": ["daily"],
    "code": None,
}


def texts(page, selector):
    """Return what elements say, each in one line."""
    # NB. Not `all_inner_texts`: shapes have none.
    found = page.locator(selector).evaluate_all(TEXTS)
    return [" ".join(text.split()) for text in found]


def chip(page, key):
    """Return the button that counts, and filters by, a state."""
    return page.locator(f".nb-chip[data-key='{key}']")


def place_of(page, id_):
    """Return where a card is on the page, and how large."""
    return page.locator(CARD.format(id_)).bounding_box()


def cards_are(page, count):
    """Wait for so many cards: a graph that grows fast is drawn when there is time."""
    page.wait_for_function(f"document.querySelectorAll('.nb-node').length === {count}")
