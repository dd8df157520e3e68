"""Methods as tasks and flows: each call is of the instance that it was made on."""

import asyncio
import dataclasses
import functools
import inspect
import pickle
import subprocess
import sys
import textwrap
import threading

import cloudpickle
import pytest

from nborch import flow, task
from nborch.cache_policies import INPUTS
from nborch.task_runners import ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


class Shelf:
    """A class whose methods are tasks, in each way that they can be declared."""

    def __init__(self, n):
        self.n = n

    @task
    def add(self, m):
        return self.n + m

    @flow
    def times(self, m: int):
        return self.n * m

    @task
    async def add_async(self, m):
        return self.n + m

    @task
    def count(self, m):
        yield from range(self.n, self.n + m)

    @task
    @classmethod
    def task_of_class(cls, m):
        return cls.__name__, m

    @classmethod
    @task
    def class_of_task(cls, m):
        return cls.__name__, m

    @task
    @staticmethod
    def task_of_static(m):
        return m

    @staticmethod
    @task
    def static_of_task(m):
        return m


class Broad(Shelf):
    """A class with one method of its own."""

    @task
    def add(self, m):
        return super().add(m) + 100


#: Each method, and what it returns for 3 on a shelf of 1.
METHODS = [
    ("add", 4),
    ("times", 3),
    ("count", [1, 2, 3]),
    ("task_of_class", ("Shelf", 3)),
    ("task_of_static", 3),
    ("static_of_task", 3),
]
# NB. From Python 3.13 on the outer classmethod hides what a task can do beside calls.
CLASS_OF_TASK = ("class_of_task", ("Shelf", 3))
OLD = sys.version_info < (3, 13)


def value(returned):
    return list(returned) if inspect.isgenerator(returned) else returned


# Calls.


@pytest.mark.parametrize(("name", "expected"), [*METHODS, CLASS_OF_TASK])
def test_a_method_is_called_on_its_instance(home, name, expected):
    """A method under @task or @flow is called as usual, and each call is a run."""
    assert value(getattr(Shelf(1), name)(3)) == expected

    (record,) = home.store.records()
    assert record.run.of == getattr(Shelf, name).name
    told = record.run.details["parameters"]
    assert told["m"] == 3
    assert len(told) == 1 or (name == CLASS_OF_TASK[0] and not OLD)


@pytest.mark.parametrize("name", ["add", "times"])
def test_a_method_is_called_on_its_class(name):
    """Called on the class, a method takes the instance as its first argument."""
    assert getattr(Shelf, name)(Shelf(1), 3) == getattr(Shelf(1), name)(3)


@pytest.mark.parametrize("name", ["task_of_class", "class_of_task"])
def test_a_classmethod_gets_the_class_that_it_is_called_on(name):
    """A classmethod is called with the class, whatever it is called on."""
    assert getattr(Broad, name)(1) == getattr(Broad(1), name)(1) == ("Broad", 1)
    assert getattr(Shelf, name)(1) == ("Shelf", 1)


def test_an_async_method_is_awaited():
    """An async method under @task is awaited as usual, or submitted."""
    assert asyncio.run(Shelf(1).add_async(3)) == 4
    assert Shelf(1).add_async.submit(3).result() == 4


def test_two_instances_do_not_mix():
    """A method that was taken of one instance is never called on another."""
    one, two = Shelf(1), Shelf(2)
    of_one, of_two = one.add, two.add

    assert (of_one(1), of_two(1), of_one(1)) == (2, 3, 2)
    assert (one.add(1), two.add(1)) == (2, 3)


def test_instances_do_not_mix_in_threads():
    """Nor is it when many threads call many instances at the same time."""
    wrong = []

    def call(n):
        shelf = Shelf(n)
        wrong.extend(n for _ in range(20) if shelf.add(1) != n + 1)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_method_may_call_that_of_its_base():
    """super() in a task is the class above that it stands in, and both are runs."""
    assert Broad(1).add(2) == 103
    assert Broad(2).times(3) == 6


def test_methods_of_dataclasses_are_tasks():
    """A task is no field of a dataclass, and is called on its instances."""

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int

        @task
        def moved(self, by):
            return dataclasses.replace(self, x=self.x + by)

    assert Point(1).moved(2) == Point(3)
    assert [field.name for field in dataclasses.fields(Point)] == ["x"]


def test_a_slotted_instance_needs_no_room_for_its_tasks():
    """Calls store nothing on the instance."""

    class Slotted:
        __slots__ = ("x",)

        @task
        def get(self):
            return self.x

    one = Slotted()
    one.x = 5

    assert one.get() == one.get.submit().result() == 5


def test_a_bound_method_can_be_declared():
    """A method of an instance may be made a task or flow, and is called on it."""

    class Plain:
        def __init__(self, n):
            self.n = n

        def add(self, m: int):
            return self.n + m

        @classmethod
        def name(cls):
            return cls.__name__

    add = Plain(1).add

    assert (task(add)(2), flow(add)(2), task(add).submit(2).result()) == (3, 3, 3)
    assert task(add).with_options(name="x")(2) == 3
    assert (task(Plain.name)(), task([1, 2, 1].count)(1)) == ("Plain", 2)


def test_only_functions_are_methods():
    """A partial, an object or a bound method in a class is called without instance."""

    class Has:
        partly = task(functools.partial(divmod, 7))
        method = task([1, 2, 1].count)

    assert (Has().partly(3), Has().method(1)) == ((2, 1), 2)


def test_a_method_may_be_both_task_and_flow(home):
    """A method under @flow and @task is a run of each."""

    class Both:
        n = 3

        @flow
        @task
        def get(self):
            return self.n

    assert Both().get() == Both().get.with_options(name="x")() == 3
    assert [r.run.kind.value for r in home.store.records()] == ["task", "flow"] * 2


def test_arguments_may_be_given_by_any_name():
    """A parameter may be called self or instance, beside the instance."""

    class Odd:
        @task
        def both(this, self, instance):  # noqa: N805  # that is the point
            return self, instance

    assert Odd().both(self=1, instance=2) == (1, 2)


def test_a_wrong_call_of_a_method_does_not_speak_of_self():
    """The message about a wrong call shows the parameters without the instance."""
    with pytest.raises(TypeError, match=r"Its signature is \(m\)"):
        Shelf(1).add()


# What else a task can do.


@pytest.mark.parametrize(("name", "expected"), [m for m in METHODS if m[0] != "times"])
def test_a_method_is_submitted_and_mapped(name, expected):
    """`.submit` and `.map` of a method are of its instance."""
    method = getattr(Shelf(1), name)

    assert method.submit(3).result() == expected
    assert method.map([3, 3]).result() == [expected, expected]


@pytest.mark.parametrize(
    ("name", "expected"), [*METHODS, *([CLASS_OF_TASK] if OLD else [])]
)
def test_a_changed_method_is_still_of_its_instance(name, expected):
    """`.with_options` of a method gives one of the same instance."""
    changed = getattr(Shelf(1), name).with_options(name="other")

    assert value(changed(3)) == expected
    assert (changed.name, getattr(Shelf, name).name) == (
        "other",
        name.replace("_", "-") if name == "times" else name,
    )


def test_options_of_a_class_change_for_all_instances():
    """`.with_options` on the class gives a method that any instance can have."""

    class Patient(Shelf):
        add = Shelf.add.with_options(name="patient")

    assert Patient(1).add(3) == 4
    assert Patient(1).add.name == "patient"


@pytest.mark.parametrize(("name", "expected"), METHODS)
def test_a_method_tells_its_signature(name, expected):
    """The signature of a bound method is that of the call, as of any method."""
    del expected

    assert list(inspect.signature(getattr(Shelf(1), name)).parameters) == ["m"]


def test_a_bound_method_knows_that_it_is_one():
    """`ismethod` tells the bound ones, `isclassmethod` and `isstaticmethod` the kind."""
    assert (Shelf(1).add.ismethod, Shelf.add.ismethod) == (True, False)
    assert (Shelf.task_of_class.ismethod, Shelf.task_of_class.isclassmethod) == (
        True,
        True,
    )
    assert (Shelf.task_of_static.ismethod, Shelf.task_of_static.isstaticmethod) == (
        False,
        True,
    )


def test_hooks_of_a_method_get_the_task():
    """A hook of a method gets the task as it is bound."""
    seen = []

    class Hooked:
        @task(on_completion=[lambda each, _run, _state: seen.append(each.bound)])
        def get(self):
            return 1

    one = Hooked()
    one.get()

    assert seen == [(one,)]


# Reuse.


class Reused:
    """A class whose method is reused."""

    def __init__(self, n):
        self.n = n

    @task(cache_policy=INPUTS)
    def add(self, m):
        return self.n + m


def told(state):
    return state.name, state.result()


def test_reuse_depends_on_the_instance():
    """Calls are the same if the instances have the same content, and only then."""
    states = [Reused(n).add(1, return_state=True) for n in (1, 2, 1)]

    assert [told(state) for state in states] == [
        ("Completed", 2),
        ("Completed", 3),
        ("Cached", 2),
    ]


def test_reuse_depends_on_what_the_instance_is_now():
    """An instance that has changed since is another one."""
    one = Reused(1)
    one.add(1)

    one.n = 10

    assert told(one.add(1, return_state=True)) == ("Completed", 11)
    assert told(one.add(1, return_state=True)) == ("Cached", 11)


def test_two_classmethods_do_not_share_results():
    """A method of the same name and arguments is another one on another class."""

    class A:
        @task(cache_policy=INPUTS)
        @classmethod
        def name(cls, m):
            return cls.__name__, m

    class B(A):
        pass

    assert (A.name(1), B.name(1), A.name(1)) == (("A", 1), ("B", 1), ("A", 1))


# Pickles, and other processes.


@pytest.mark.parametrize("by", [pickle, cloudpickle])
@pytest.mark.parametrize(("name", "expected"), METHODS)
def test_a_bound_method_can_be_pickled(by, name, expected):
    """A bound method is pickled with its instance."""
    again = by.loads(by.dumps(getattr(Shelf(1), name)))

    assert value(again(3)) == expected


@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_a_method_of_a_module_is_pickled_by_name(by):
    """Where a class can be imported its tasks are, and stay, the same objects."""
    again = by.loads(by.dumps([Shelf.add, Shelf.add, Shelf.times]))

    assert again[0] is again[1] is Shelf.add
    assert again[2] is Shelf.times


@task
def inc(n):
    with _lock:
        return n + 1


@flow
def pipeline(n: int = 1):
    return inc(n)


#: What no process can get but by importing this module.
_lock = threading.Lock()
patient = inc.with_options(retries=2)


@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_a_task_of_a_module_is_pickled_by_name(by):
    """A task or flow that can be imported is pickled as a function is: by its name."""
    assert by.loads(by.dumps([inc, pipeline])) == [inc, pipeline]
    assert b"_lock" not in by.dumps(inc)


@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_a_changed_task_of_a_module_can_be_pickled(by):
    """A task with other options goes with these, and with the function by name."""
    again = by.loads(by.dumps(patient))

    assert (again(1), again.retries, again.fn) == (2, 2, inc.fn)


def test_a_task_of_no_module_is_pickled_by_value():
    """A task within a function can be pickled by cloudpickle, recursion included."""

    @task(retries=3)
    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    again = cloudpickle.loads(cloudpickle.dumps(factorial))

    assert (again(4), again.retries, again.signature) == (24, 3, factorial.signature)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(factorial)


def test_a_module_that_goes_by_value_takes_its_tasks_along(tmp_path, monkeypatch):
    """`cloudpickle.register_pickle_by_value` means the tasks of the module too."""
    source = "from nborch import task\n@task\ndef inc(n):\n    return n + 1\n"
    (tmp_path / "far_away.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import far_away

    by_name = cloudpickle.dumps(far_away.inc)
    cloudpickle.register_pickle_by_value(far_away)
    try:
        by_value = cloudpickle.dumps(far_away.inc)
    finally:
        cloudpickle.unregister_pickle_by_value(far_away)
    monkeypatch.delitem(sys.modules, "far_away")
    (tmp_path / "far_away.py").unlink()

    assert pickle.loads(by_value)(1) == 2
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(by_name)


def test_tasks_of_a_script_are_pickled_by_value(tmp_path, home):
    """What a script declares reaches a program that cannot import the script."""
    del home
    script = tmp_path / "declares.py"
    script.write_text(
        textwrap.dedent("""
            import sys, cloudpickle
            from nborch import flow, task

            @task
            def inc(n):
                return n + 1

            class A:
                @task
                def get(self):
                    return inc(1)

            @flow
            def f(n: int):
                return inc(n)

            sys.stdout.buffer.write(cloudpickle.dumps((inc, A().get, f)))
        """)
    )
    told = subprocess.run(
        [sys.executable, str(script)], capture_output=True, check=True, timeout=60
    )

    inc_again, get, f = pickle.loads(told.stdout)

    assert (inc_again(1), get(), f("2")) == (2, 2, 3)


@pytest.mark.parametrize("name", ["add", "task_of_class", "task_of_static"])
def test_an_isolated_method_has_its_instance(name):
    """A method with a process of its own gets the instance there."""
    method = getattr(Shelf(1), name).with_options(isolate=True)

    assert method(3) == dict(METHODS)[name]


def test_a_pool_of_processes_imports_what_it_can():
    """A task of a module runs in another process as one of that module."""

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def f():
        return [inc.submit(1).result(), Shelf(1).add.submit(3).result()]

    assert f() == [2, 4]
