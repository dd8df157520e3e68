"""The options of ``%%task`` in real kernels: what they do, and what they do not."""

import os
import re
import textwrap

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

MISS, HIT, NEVER = "ran", "cached", "uncached"


def cell(header, body):
    return f"%%task {header}\n{textwrap.dedent(body).strip()}"


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text or "")


def run_of(home, name):
    """Return the last run of a task, and its states in order."""
    record = home.store.records(of=name)[0]
    events = home.store.events(run_id=record.run.id)
    return record, [each.data["name"] for each in events if each.kind == "state"]


# What is part of the key.

#: name: (options of the first run, what runs between, options of the second, outcome)
KEY = {
    "retries": ("", "", "--retries 3 --retry-delay 1", HIT),
    "timeout": ("", "", "--timeout 60", HIT),
    "tags": ("", "", "--tags a,b", HIT),
    "log-prints": ("", "", "--log-prints", HIT),
    "a name": ("", "", "other", HIT),
    "an expiration": ("", "", "--cache-expiration 1h", HIT),
    "needs": ("", "", "--needs other", MISS),
    "needs, the same": ("--needs other,x", "", "--needs x --needs other", HIT),
    "a need's value": ("--needs other", "other = 2", "--needs other", MISS),
    "makes": ("", "", "--makes y", MISS),
    "makes, the same": ("--makes y", "", "--makes=y", HIT),
    "a variable": ("--env STAGE", "import os\nos.environ['STAGE'] = 'b'", "--env STAGE", MISS),
    "a variable, the same": ("--env STAGE", "import os\nos.environ['OTHER'] = 'b'", "--env STAGE", HIT),
    "a variable that is not set": ("--env NOWHERE", "import os\nos.environ['NOWHERE'] = ''", "--env NOWHERE", MISS),
    "one variable more": ("--env STAGE", "", "--env STAGE,HOME", MISS),
    "a file": ("--files data.txt", "write('data.txt', 'b')", "--files data.txt", MISS),
    "a file, touched": ("--files data.txt", "os.utime('data.txt', (1, 1))", "--files data.txt", HIT),
    "a file, by another path": ("--files data.txt", "", "--files ./data.txt", HIT),
    "another file": ("--files data.txt", "write('other.txt', 'b')", "--files data.txt", HIT),
    "a file that is gone": ("--files data.txt", "os.remove('data.txt')", "--files data.txt", MISS),
    "a file that appears": ("--files new.txt", "write('new.txt', '')", "--files new.txt", MISS),
    "a folder": ("--files folder", "write('folder/sub/deep.txt', 'b')", "--files folder", MISS),
    "a folder with a new file": ("--files folder", "write('folder/new.txt', '')", "--files folder", MISS),
    "a pattern": ("--files 'folder/**/*.txt'", "write('folder/sub/deep.txt', 'b')", "--files 'folder/**/*.txt'", MISS),
    "a pattern with a new file": ("--files folder/*.txt", "write('folder/new.txt', '')", "--files folder/*.txt", MISS),
    "a pattern without a new file": ("--files folder/*.txt", "write('folder/new.csv', '')", "--files folder/*.txt", HIT),
    "a pattern in an expression": ("--files {place}/*.txt", "write('folder/one.txt', 'b')", "--files {place}/*.txt", MISS),
}  # fmt: skip

CLEAN = """
import os, shutil
shutil.rmtree('folder', ignore_errors=True)
for path in ('new.txt', 'other.txt'):
    if os.path.exists(path): os.remove(path)
"""

SETUP = """
import os
from pathlib import Path
os.environ['STAGE'] = 'a'
os.environ.pop('NOWHERE', None)
def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    # As if it were written long ago: a digest is remembered then.
    os.utime(path, (1_000_000_000, 1_000_000_000 + len(text)))
write('data.txt', 'a'); write('folder/one.txt', 'a'); write('folder/sub/deep.txt', 'a')
x = 2; other = 1; place = 'folder'
"""


def test_key(kernel):
    """Options that can change the result are part of the key; the others are not."""
    told = {}
    for number, (name, (before, between, after, _)) in enumerate(KEY.items()):
        body = f"y = x * 3 + {number}"
        kernel(CLEAN + SETUP)
        first = kernel(cell(before, body)).outcome
        kernel(between)
        told[name] = first, kernel(cell(after, body)).outcome
        assert kernel("y").result == str(6 + number), name

    assert told == {name: (MISS, case[-1]) for name, case in KEY.items()}


def test_a_pattern_without_files(kernel):
    """A pattern that matches no file is told, since it may be a slip."""
    ran = kernel(cell("--files data/*.cvs", "y = 1"))

    assert "no file matches 'data/*.cvs'" in ran.text("display_data")
    assert ran.outcome == MISS


def test_a_file_that_changes_while_the_cell_runs(kernel):
    """What a cell read of a declared file that changed meanwhile is not known."""
    kernel("from pathlib import Path\nimport ctypes\nPath('data.txt').write_text('a')")
    # Unseen by Python, as another program would do it.
    body = """
        libc = ctypes.CDLL(None)
        _ = libc.truncate(b'data.txt', 0)
        del libc, _
    """

    ran = kernel(cell("--files data.txt", body))

    assert ran.outcome == NEVER
    assert "'data.txt', which changed meanwhile" in ran.badge


def test_nborchs_own_folder_is_no_input(kernel):
    """A declared folder counts without what nborch keeps in it."""
    assert kernel(cell("--files .", "y = 1")).outcome == MISS

    assert kernel(cell("--files .", "y = 1")).outcome == HIT


# Inputs and outputs that only the user knows.


@pytest.mark.parametrize(
    ("header", "outcome", "words"),
    [
        ("", NEVER, "line 2 calls exec()"),
        (
            "--needs a",
            NEVER,
            "line 2 calls exec(), so --makes has to name what it makes",
        ),
        ("--makes y", NEVER, "line 2 calls exec()"),
        ("--needs a --makes y", MISS, ""),
        ("--needs= --makes=", MISS, ""),
    ],
)
def test_a_dynamic_cell(kernel, header, outcome, words):
    """A cell whose inputs cannot be proven is kept if both sides are declared."""
    kernel("a = 1")

    ran = kernel(cell(header, "exec('y = a + 1')"))

    assert ran.outcome == outcome
    assert words in ran.badge


def test_hit_of_a_dynamic_cell(kernel, other):
    """A restored dynamic cell leaves what it made, though it made what there was."""
    body, header = "exec('y = a + 1')", "--needs a --makes y"
    kernel("a = 1; y = 2")
    kernel(cell(header, body))

    other("a = 1")
    again = other(cell(header, body))
    value = other("y").result
    other("a = 2")
    changed = other(cell(header, body))

    assert (again.outcome, value) == (HIT, "2")
    assert changed.outcome == MISS
    assert other("y").result == "3"


def test_made(kernel, other):
    """A declared output is restored although nothing tells that the cell changed it."""
    setup = "rows = [1]\ndef grow():\n    globals()['rows'].append(2)"
    header = "--needs grow --makes rows"
    for each in (kernel, other):
        each(setup)
    assert kernel(cell(header, "grow()")).outcome == MISS

    again = other(cell(header, "grow()"))

    assert again.outcome == HIT
    assert other("rows").result == "[1, 2]"


def test_not_made(kernel):
    """A cell that does not make what it declares is not kept, and says so."""
    ran = kernel(cell("--makes totl", "total = 1"))

    assert ran.ok
    assert ran.outcome == NEVER
    assert (
        "did not make 'totl', which --makes names. Did you mean 'total'?" in ran.badge
    )
    assert kernel("total").result == "1"


# Wrong headers.


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("%%task --retrys 3", "%%task has no option '--retrys'. Did you mean '--retries'?"),
        ("%%task --retries three", "--retries takes a whole number from 0, not 'three'."),
        ("%%task --needs flihgts", "--needs 'flihgts', which is not defined. Did you mean 'flights'?"),
        ("%%task --files {plaec}", "The expression '{plaec}' in the first line raised NameError"),
        ("%%task --concurrency apii", "No concurrency limit is called 'apii'. Did you mean 'api'? Create it with: nborch concurrency-limit create apii 5"),
        ("%%flow --needs flights", "%%flow has no option '--needs', which is one of %%task."),
    ],
)  # fmt: skip
def test_wrong(kernel, home, header, words):
    """A wrong option, value or name fails at once, in one line, and nothing runs."""
    home.limits.store.put("api", 1)
    kernel("flights = 1; place = '.'")

    ran = kernel(f"{header}\nran_anyway = 1")

    text = plain(ran.error)
    assert not ran.ok
    assert words in text
    assert len(text.splitlines()) == 1
    assert kernel("'ran_anyway' in globals()").result == "False"


# Retries.

FAILS_TWICE = """
from pathlib import Path
count = Path('count.txt')
tries = int(count.read_text()) + 1 if count.exists() else 1
_ = count.write_text(str(tries))
print('attempt', tries)
try:
    seen = made
except NameError:
    seen = None
made = tries
if tries < 3:
    left = 1
    x = 'changed'
    raise ValueError(f'number {tries}\\nmore')
"""


def test_retries(kernel, home):
    """A failed cell is repeated from the names as they were; each failure is told in
    a quiet line.
    """
    kernel("x = 'as it was'")

    ran = kernel(cell("flaky --retries 3", FAILS_TWICE))

    states = run_of(home, "flaky")[1]
    assert ran.ok
    assert ran.stdout == "attempt 1\nattempt 2\nattempt 3\n"
    assert ran.text("display_data") == (
        "attempt 1 of 4 failed · ValueError: number 1"
        "attempt 2 of 4 failed · ValueError: number 2"
    )
    # It changes the file that it reads.
    assert ran.outcome == NEVER
    assert states == ["Pending", "Running", "Retrying", "Retrying", "Completed"]
    assert (
        kernel("made, seen, x, 'left' in globals()").result
        == "(3, None, 'as it was', False)"
    )


def test_retry_delay(kernel, home):
    """Between attempts the run waits, and the line says for how long."""
    ran = kernel(cell("flaky --retries 2 --retry-delay 10ms,20ms", FAILS_TWICE))

    assert "attempt 1 of 3 failed · ValueError: number 1 · again in 10 ms" in ran.text(
        "display_data"
    )
    assert "attempt 2 of 3 failed · ValueError: number 2 · again in 20 ms" in ran.text(
        "display_data"
    )
    assert run_of(home, "flaky")[1] == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip


def test_retries_that_do_not_help(kernel):
    """The last attempt's error is shown as that of a plain cell, once, and its names
    stay.
    """
    ran = kernel(cell("--retries 1", "y = 1\n1 / 0"))

    text = plain(ran.error)
    assert text.count("ZeroDivisionError: division by zero") == 1
    assert "----> 3 1 / 0" in text
    assert "nborch" not in text
    assert kernel("y").result == "1"


def test_hit_of_a_retried_cell(kernel, other):
    """A hit shows and leaves what the attempt did that succeeded."""
    header = "--retries 2"
    kernel("tries = []")
    body = """
        import random
        print('tried')
        if not Path('there').exists():
            Path('there').touch()
            raise OSError('not yet')
        y = 1
    """
    for each in (kernel, other):
        each("from pathlib import Path")
    first = kernel(cell(header, body))

    second = other(cell(header, body))

    assert first.stdout == "tried\ntried\n"
    assert (first.outcome, second.outcome) == (MISS, HIT), (first, second)
    assert second.stdout == "tried\n"
    assert other("y").result == "1"


def test_what_a_failed_attempt_left(kernel, tmp_path):
    """A file that a failed attempt wrote is made again if it is gone."""
    body = """
        from pathlib import Path
        if not Path('part.txt').is_file():
            _ = Path('part.txt').write_text('a')
            raise OSError('not yet')
        y = 1
    """
    assert kernel(cell("--retries 1", body)).outcome == MISS
    assert kernel(cell("--retries 1", body)).outcome == HIT

    (tmp_path / "part.txt").unlink()
    again = kernel(cell("--retries 1", body))

    assert again.outcome == MISS
    assert (tmp_path / "part.txt").exists()


def test_randomness_of_a_retried_cell(kernel, other):
    """A hit leaves the random generators as the last attempt did, if it begins with
    what the first one began with.
    """
    body = """
        from pathlib import Path
        y = random.random()
        if not Path('there').exists():
            Path('there').touch()
            raise OSError('not yet')
    """
    for each in (kernel, other):
        each("import random\nrandom.seed(1)")
    kernel(cell("--retries 1", body))
    expected = kernel("y, random.random()").result

    ran = other(cell("--retries 1", body))

    assert ran.outcome == HIT
    assert other("y, random.random()").result == expected


def test_a_retry_that_saw_a_changed_input(kernel):
    """A cell whose failed attempt changed an input in place says so and is not kept."""
    kernel("rows = []")

    ran = kernel(
        cell("--retries 1", "rows.append(1)\nif len(rows) < 2: raise ValueError")
    )

    assert ran.ok
    assert ran.outcome == NEVER
    assert "was retried with `rows` as the failed attempt had changed it" in ran.badge
    assert kernel("rows").result == "[1, 1]"


def test_retries_of_an_awaiting_cell(kernel):
    """A cell that awaits is retried, too."""
    kernel("import asyncio; tries = []")
    body = "await asyncio.sleep(0)\nn = len(tries)\ntries.append(1)\nif n < 1: raise ValueError\ny = n"

    ran = kernel(cell("--retries 1", body))

    assert ran.ok, ran
    assert kernel("y").result == "1"


def test_interrupt_while_waiting_for_a_retry(kernel, tmp_path):
    """Ctrl-C ends the wait for a retry, and the kernel goes on."""
    sent = kernel.client.execute(
        cell("--retries 1 --retry-delay 1h", "open('started', 'w').close()\n1 / 0"),
        stop_on_error=False,
    )

    ran = kernel.interrupt_when(tmp_path / "started", sent)

    text = plain(ran.error)
    assert "KeyboardInterrupt" in text
    assert "nborch" not in text
    assert kernel(cell("", "y = 1\ny")).result == "1"


# Timeouts.


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("early = 1\nimport time\ntime.sleep(30)\nlate = 1", "----> 4 time.sleep(30)"),
        ("early = 1\nwhile True:\n    pass", "RunTimedOut"),
        ("early = 1\nimport asyncio\nawait asyncio.sleep(30)\nlate = 1", "RunTimedOut"),
    ],
    ids=["sleep", "loop", "await"],
)
def test_timeout(kernel, home, body, line):
    """A cell that takes too long ends with RunTimedOut; the kernel is well."""
    ran = kernel(cell("slow --timeout 300ms", body))

    text = plain(ran.error)
    assert not ran.ok
    assert line in text
    assert "RunTimedOut: Task run exceeded timeout of 0.3 second(s)" in text
    assert "nborch" not in text
    assert run_of(home, "slow")[1][-1] == "TimedOut"
    after = kernel(cell("", "import asyncio\nawait asyncio.sleep(0.4)\ny = 1\ny"))
    assert (after.ok, after.result) == (True, "1")
    assert kernel("early, 'late' in globals()").result == "(1, False)"


def test_timeout_and_retries(kernel, home):
    """Each attempt has the whole time."""
    body = """
        import time
        from pathlib import Path
        if not Path('there').exists():
            Path('there').touch()
            time.sleep(30)
        y = 1
    """

    ran = kernel(cell("slow --timeout 300ms --retries 1", body))

    assert ran.ok
    assert "attempt 1 of 2 failed · RunTimedOut" in ran.text("display_data")
    assert run_of(home, "slow")[1][-1] == "Completed"


def test_a_hit_has_no_timeout(kernel):
    """A cell that ends in time is kept, and restored."""
    assert kernel(cell("--timeout 30", "y = 1")).outcome == MISS

    assert kernel(cell("--timeout 30", "y = 1")).outcome == HIT


# Expiration.


def test_expiration(kernel):
    """A result that is older than the header allows is computed again."""
    kernel("import time")
    body = "y = time.time_ns()"
    assert kernel(cell("--cache-expiration 1h", body)).outcome == MISS
    assert kernel(cell("--cache-expiration 1h", body)).outcome == HIT

    kernel("first = y; time.sleep(0.02)")
    old = kernel(cell("--cache-expiration 10ms", body))

    assert old.outcome == MISS
    kernel("time.sleep(0.02)")
    assert kernel(cell("", body)).outcome == MISS
    assert kernel("y > first").result == "True"


# Tags, limits, logs.


def test_tags(kernel, home):
    """The tags of a cell are those of its runs."""
    kernel(cell("tagged --tags etl,nightly", "y = 1"))

    record, _ = run_of(home, "tagged")

    assert sorted(record.run.tags) == ["etl", "nightly"]


@pytest.mark.parametrize("option", ["--tags api", "--concurrency api"])
def test_limits(kernel, home, option, until):
    """A cell runs while it holds a slot of its limits, and waits for one; a hit needs
    none.
    """
    home.limits.store.put("api", 1)
    limits = home.limits
    header = f"limited {option}"
    lease = limits.acquire(limits.claim(["api"]))
    sent = kernel.client.execute(cell(header, "held = 1"))
    try:
        waits = until(lambda: "AwaitingConcurrencySlot" in _states(home, "limited"))
    finally:
        lease.release()
    ran = kernel.wait(sent)

    assert waits
    assert "waiting for a slot of 'api'" in ran.text("display_data")
    assert ran.outcome == MISS
    assert limits.store.limit("api").held == 0
    lease = limits.acquire(limits.claim(["api"]))
    again = kernel(cell(header, "held = 1"))
    lease.release()
    assert again.outcome == HIT


def _states(home, name):
    return run_of(home, name)[1] if home.store.records(of=name) else []


def test_log_prints(kernel, home):
    """What a cell prints under --log-prints is shown as ever, and is in the log of its
    run.
    """
    kernel("import threading")
    body = """
        print('one', 'two')
        thread = threading.Thread(target=print, args=('three',))
        thread.start(); thread.join(); del thread
        print('no end', end='')
        4
    """

    ran = kernel(cell("printing --log-prints", body))

    record, _ = run_of(home, "printing")
    lines = [each.data["message"] for each in home.store.logs(record.run.id)]
    assert lines[:-1] == ["one two", "three", "no end"]
    assert ran.shown[:-1] == [
        ("stdout", "one two\nthree\nno end"),
        ("execute_result", "4"),
    ]
    assert (
        kernel(
            "import sys; sys.stdout.write.__module__.partition('.')[0] == 'nborch'"
        ).result
        == "False"
    )


# Help and completion.


@pytest.mark.parametrize("magic", ["%%task", "%%flow"])
def test_help(kernel, magic):
    """--help shows the options with examples, and runs nothing."""
    ran = kernel(f"{magic} anything --help\nran_anyway = 1")

    assert ran.ok
    assert ran.stdout.startswith(f"{magic} [NAME] [OPTIONS]: Run a cell")
    assert "--retries N" in ran.stdout
    assert "Examples" in ran.stdout
    assert kernel("'ran_anyway' in globals()").result == "False"


@pytest.mark.parametrize("magic", ["%%task", "%%flow"])
def test_question_mark(kernel, magic):
    """A question mark behind the magic shows the same help."""
    reply = kernel.loop.run_until_complete(
        kernel.client.execute_interactive(f"{magic}?", timeout=30)
    )

    (page,) = reply["content"]["payload"]
    assert "--retries N" in plain(page["data"]["text/plain"])


def completions(kernel, code):
    """Return what the kernel offers where | stands."""
    text = code.replace("|", "")
    sent = kernel.client.complete(text, code.index("|"))

    async def answer():
        while True:
            reply = await kernel.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == sent:
                return reply["content"]

    content = kernel.loop.run_until_complete(answer())
    begins = code[content["cursor_start"] : content["cursor_end"]]
    return content["matches"], begins


#: code: what is offered, among others; and what is not
OFFERED = {
    "%%task clean --re|": (["--refresh", "--retries", "--retry-delay"], ["repr"]),
    "%%task clean --re|\nx = 1": (["--refresh"], ["repr"]),
    "%%time\n%%task clean --ref|": (["--refresh"], []),
    "%%flow --re|": (["--retries", "--retry-delay"], ["--refresh"]),
    "%%task cle|": (["clean_rows"], []),
    "%%task |": (["clean_rows", "--retries"], []),
    "%%task --needs fli|": (["flights"], []),
    "%%task --needs flights,oth|": (["other_rows"], []),
    "%%task --needs=fli|": (["flights"], []),
    "%%task x --needs |": (["flights", "other_rows"], ["In", "exit", "--refresh"]),
    "%%task x --makes other|": (["other_rows"], []),
    "%%task x --files da|": (["data/", "data.csv"], []),
    "%%task x --files data/|": (["data/one.csv"], []),
    "%%task x --files data.csv da|": (["data/"], []),
    "%%task x --env NBORCH_H|": (["NBORCH_HOME"], []),
    "%%task x --tags n|": (["nightly"], []),
    "%%task x --concurrency a|": (["api"], []),
    "%%task x --submit=t|": (["thread"], []),
    "%%task x --retries 3 --t|": (["--timeout", "--tags"], []),
    "y = 1\n%%task --re|": ([], ["--refresh"]),
    "re|": ([], ["--refresh"]),
}  # fmt: skip


@pytest.mark.parametrize("jedi", [True, False])
def test_completion(kernel, home, tmp_path, jedi):
    """In a header line the kernel offers options, names, and values that are known."""
    home.limits.store.put("api", 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv").touch()
    (tmp_path / "data.csv").touch()
    kernel("flights = other_rows = 1")
    kernel("%%task clean_rows --tags nightly\ny = 1")
    kernel(f"get_ipython().Completer.use_jedi = {jedi}")

    told = {code: completions(kernel, code) for code in OFFERED}

    kernel("get_ipython().Completer.use_jedi = True")
    for code, (wanted, unwanted) in OFFERED.items():
        matches, begins = told[code]
        assert set(wanted) <= set(matches), (code, matches)
        assert not set(unwanted) & set(matches), (code, matches)
        if wanted:
            assert all(each.startswith(begins) for each in matches), (code, begins)


# Above and around.


def test_timeit(kernel):
    """%%timeit above %%task measures the body itself, each time."""
    kernel("count = []")
    before = kernel(cell("measured", "y = 1")).outcome

    ran = kernel("%%timeit -n 3 -r 2\n%%task measured\ncount.append(1)\ny = 1")

    assert before == MISS
    assert ran.ok, ran
    assert ran.badge is None
    assert "per loop" in ran.stdout
    assert kernel("len(count)").result == "6"


def test_prun(kernel):
    """%%prun above %%task profiles the body itself."""
    kernel("def work():\n    return sum(range(10))")

    ran = kernel("%%prun -q\n%%task profiled\ntotal = work()")

    assert ran.ok, ran
    assert ran.badge is None
    assert kernel("total").result == "45"


def test_time_and_capture(kernel):
    """%%time and %%capture stand above a cell task with options."""
    timed = kernel("%%time\n%%task timed --retries 1\ny = 1")
    captured = kernel("%%capture out\n%%task shown --retries 1\nprint('inside')")

    assert timed.outcome == MISS
    assert "Wall time" in timed.stdout
    assert captured.stdout == ""
    assert kernel("out.stdout").result == r"'inside\n'"


def test_within_run_cell(kernel, home):
    """A cell task that another cell executes by run_cell is a run within it."""
    ran = kernel(cell("outer", "get_ipython().run_cell('%%task inner\\ny = 1')"))

    outer, inner = run_of(home, "outer")[0], run_of(home, "inner")[0]
    assert ran.ok
    assert inner.run.parent_id == outer.run.id
    assert kernel("y").result == "1"


@pytest.mark.parametrize(
    "source",
    [
        "%%task --needs features --makes y\nexec('y = features')",
        "%%task load-{features}\ny = 1",
        "%%flow load-$features\ny = 1",
    ],
)
def test_a_header_waits_for_the_background(kernel, source):
    """A name in a header that a cell in the background makes is waited for."""
    kernel("import time")
    kernel("%%task slow --submit=thread\ntime.sleep(0.3)\nfeatures = 1")

    ran = kernel(source)

    assert ran.ok, ran
    assert kernel("y").result == "1"
