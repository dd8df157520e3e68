"""Runs as Python tells them to the browser, of any size."""

import random

#: When all of these runs began.
BEGUN = 1_800_000_000.0


def node(id_, of=None, state="COMPLETED", upstream=(), **facts):
    """A node of the protocol; what is not told is as of a run that took a second."""
    started = facts.pop("started", None if state in {"PENDING", "SCHEDULED"} else BEGUN)
    over = state in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    ended = facts.pop("ended", started + 1 if over and started is not None else None)
    name = facts.pop("state_name", state.title())
    return {
        "id": id_,
        "kind": "task",
        "of": of or id_.rsplit("-", 1)[0],
        "name": id_,
        "parent": None,
        "upstream": list(upstream),
        "state": {"type": state, "name": name, "message": facts.pop("message", None)},
        "order": 0,
        "created": BEGUN,
        "started": started,
        "ended": ended,
        "attempts": []
        if started is None
        else [
            {"n": 1, "started": started, "ended": ended, "type": state, "name": name}
        ],
        "expected_seconds": None,
        "saved_seconds": None,
        "why": None,
    } | facts


def snapshot(nodes, state="RUNNING", view="run", **facts):
    """A snapshot of the protocol with these nodes."""
    nodes = [made | {"order": n} for n, made in enumerate(nodes)]
    ended = None if state == "RUNNING" else BEGUN + 60
    run = {
        "id": "run-1",
        "kind": "flow" if view == "run" else "cells",
        "of": "etl",
        "name": "calm-owl",
        "state": {"type": state, "name": state.title(), "message": None},
        "created": BEGUN,
        "started": BEGUN,
        "ended": ended,
        "expected_seconds": None,
        "parameters": {},
        "link": None,
        "can": ["cancel"] if state == "RUNNING" else ["retry"],
    } | facts
    shown = {"type": "snapshot", "seq": 1, "now": BEGUN + 21.3, "view": view}
    return shown | {"run": run, "nodes": nodes}


def delta(seq, nodes=(), **facts):
    """A delta of the protocol."""
    told = {"type": "delta", "seq": seq, "now": BEGUN + 22.0, "nodes": list(nodes)}
    return told | facts


def small():
    """Five tasks, in as many states."""
    return [
        node("load-0", started=BEGUN, ended=BEGUN + 4.2),
        node("clean-0", upstream=["load-0"], state_name="Cached", saved_seconds=41.0),
        node("train-0", "train", "RUNNING", ["clean-0"], expected_seconds=60.0),
        node("check-0", "check", "FAILED", ["clean-0"], message="ValueError: 3 rows"),
        node("report-0", "report", "PENDING", ["train-0", "check-0"]),
    ]


def thirty():
    """A flow with a subflow, retries, and a stage that waits."""
    made = [node("fetch-0", ended=BEGUN + 2.4), node("fetch-1", ended=BEGUN + 3.9)]
    made += [
        node("parse-0", upstream=["fetch-0"], started=BEGUN + 2.4, ended=BEGUN + 3),
        node("parse-1", upstream=["fetch-1"], started=BEGUN + 4, ended=BEGUN + 5.1),
        node(
            "join-0",
            upstream=["parse-0", "parse-1"],
            started=BEGUN + 5.2,
            ended=BEGUN + 6,
        ),
        node("schema-0", state_name="Cached", saved_seconds=12.0),
        node(
            "validate-0",
            upstream=["join-0", "schema-0"],
            started=BEGUN + 6,
            ended=BEGUN + 9,
        ),
        node(
            "features",
            "features",
            "RUNNING",
            ["validate-0"],
            kind="flow",
            started=BEGUN + 9,
        ),
    ]
    for n in range(5):
        state = "COMPLETED" if n < 3 else "RUNNING"
        made.append(
            node(
                f"encode-{n}",
                "encode",
                state,
                parent="features",
                started=BEGUN + 9 + n,
                ended=BEGUN + 12 + n if n < 3 else None,
            )
        )
    made.append(
        node(
            "merge-features",
            "merge_features",
            "PENDING",
            [f"encode-{n}" for n in range(5)],
            parent="features",
        )
    )
    made.append(
        node("split-0", upstream=["validate-0"], started=BEGUN + 9, ended=BEGUN + 10)
    )
    for n, state in enumerate(
        ["COMPLETED", "COMPLETED", "RUNNING", "FAILED", "SCHEDULED", "PENDING"]
    ):
        facts = {"started": BEGUN + 10 + n if n < 4 else None, "ended": None}
        if n in {0, 1, 3}:
            facts["ended"] = BEGUN + 14 + n
        if n == 2:
            facts["attempts"] = [
                {
                    "n": 1,
                    "started": BEGUN + 12,
                    "ended": BEGUN + 14,
                    "type": "FAILED",
                    "name": "Failed",
                },
                {
                    "n": 2,
                    "started": BEGUN + 16,
                    "ended": None,
                    "type": "RUNNING",
                    "name": "Retrying",
                },
            ]
            facts |= {
                "state_name": "Retrying",
                "started": BEGUN + 16,
                "expected_seconds": 8.0,
            }
        if n == 4:
            facts["state_name"] = "AwaitingRetry"
        made.append(node(f"fit-{n}", "fit", state, ["split-0", "features"], **facts))
    made += [
        node(
            "score-0",
            "score",
            "COMPLETED",
            ["fit-0"],
            started=BEGUN + 14,
            ended=BEGUN + 15,
        ),
        node(
            "score-1",
            "score",
            "COMPLETED",
            ["fit-1"],
            started=BEGUN + 15,
            ended=BEGUN + 16,
        ),
        node("score-2", "score", "PENDING", ["fit-2"]),
        node(
            "choose_best-0",
            "choose_best",
            "PENDING",
            ["score-0", "score-1", "score-2", "join-0"],
        ),
        node("plot-0", "plot", "PENDING", ["choose_best-0"]),
        node(
            "publish_report-0", "publish_report", "PENDING", ["choose_best-0", "plot-0"]
        ),
        node("notify-0", "notify", "PENDING", ["publish_report-0"]),
    ]
    return made


def mapped(count=120, done=87):
    """A map over many files, a map over its results, and what gathers them."""
    made = [node("list_files-0", ended=BEGUN + 0.3)]
    for stage, before in (("read", None), ("clean", "read")):
        for n in range(count):
            state = (
                "COMPLETED" if n < done else "RUNNING" if n < done + 4 else "PENDING"
            )
            if stage == "clean" and n in {5, 9}:
                state = "FAILED"
            upstream = [f"{before}-{n}"] if before else ["list_files-0"]
            started = BEGUN + 0.3 + n / 5 if state != "PENDING" else None
            made.append(node(f"{stage}-{n}", stage, state, upstream, started=started))
    made.append(
        node("gather-0", "gather", "PENDING", [f"clean-{n}" for n in range(count)])
    )
    return made


def tangled(count, seed=1):
    """Distinct tasks, each after one or two of the thirty before it."""
    chance = random.Random(seed)
    states = ["COMPLETED"] * 6 + ["RUNNING", "FAILED", "PENDING", "PENDING"]
    made = []
    for n in range(count):
        recent = range(max(0, n - 30), n)
        upstream = chance.sample(recent, min(len(recent), chance.randint(1, 2)))
        state = chance.choice(states)
        made.append(
            node(f"step_{n}-0", f"step_{n}", state, [f"step_{u}-0" for u in upstream])
        )
    return made


def staged(count, wide=20, seed=2):
    """Stages of distinct tasks, fanning out and in."""
    chance = random.Random(seed)
    states = ["COMPLETED"] * 5 + ["RUNNING", "FAILED", "PENDING"]
    made = [node("begin-0")]
    last = ["begin-0"]
    while len(made) < count:
        stage = len(made)
        wave = [f"part_{stage + n}-0" for n in range(min(wide, count - len(made)))]
        made += [node(id_, None, chance.choice(states), last) for id_ in wave]
        if len(made) < count:
            made.append(
                node(f"gather_{len(made)}-0", None, chance.choice(states), wave)
            )
        last = [made[-1]["id"]]
    return made
