"""What keys cache policies make, and what a declaration means."""

import threading
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from nborch.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    CompoundCachePolicy,
    Inputs,
)
from nborch.caching import StorageKey, effective_policy, policy_of
from nborch.exceptions import CacheWarning, InvalidDeclaration, Unfingerprintable
from nborch.runs import RunKind
from nborch.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    checked_serializer,
    mark_of,
)

TASK = "Task 'load'"


def load(path, debug=None):
    return path, debug


def a_run(kind, name="load", parent=None, fn=load, run_id=None):
    """Return what a policy sees of a run."""
    run = SimpleNamespace(
        id=run_id or f"id of {name}", name=f"{name}-1", kind=kind, of=name
    )
    task = SimpleNamespace(name=name, fn=fn)
    return SimpleNamespace(run=run, task_run=run, task=task, parent=parent)


def key(policy, inputs=None, context=None, around=None):
    return policy.compute_key(
        task_ctx=context or a_run(RunKind.TASK),
        inputs={"path": "a.csv"} if inputs is None else inputs,
        flow_parameters=around or {},
    )


# -- inputs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        ([1, 2], [2, 1]),
        ({1: "x"}, {"1": "x"}),
        (1, 1.0),
        (1, True),
        (None, "None"),
        ("a", b"a"),
        ({1}, [1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (0.0, -0.0),
    ],
)
def test_values_that_a_program_can_tell_apart_have_different_keys(one, other):
    """Inputs of different type, order or content share no result."""
    assert key(INPUTS, {"x": one}) != key(INPUTS, {"x": other})
    assert key(INPUTS, {"x": one}) == key(INPUTS, {"x": one})


def test_the_order_of_a_set_does_not_count():
    """Equal sets have one key, in whatever order they were filled."""
    names = [f"name {n}" for n in range(50)]
    backwards = names[::-1]

    assert key(INPUTS, {"x": set(names)}) == key(INPUTS, {"x": set(backwards)})


def test_which_parameter_got_a_value_counts():
    """Two parameters that change their values make another key."""
    assert key(INPUTS, {"a": 1, "b": 2}) != key(INPUTS, {"a": 2, "b": 1})
    assert key(INPUTS, {"a": 1, "b": 2}) == key(INPUTS, {"b": 2, "a": 1})


def test_one_list_given_twice_is_not_two_equal_lists():
    """Whether two parameters are one and the same list counts."""
    shared = [1]

    assert key(INPUTS, {"a": shared, "b": shared}) != key(INPUTS, {"a": [1], "b": [1]})


def test_an_input_can_be_left_out():
    """INPUTS - "debug" makes one key whatever debug is, in a sum too."""
    for policy in (INPUTS - "debug", (INPUTS + TASK_SOURCE) - "debug"):
        one = key(policy, {"path": "a", "debug": True})

        assert one == key(policy, {"path": "a", "debug": threading.Lock()})
        assert one != key(policy, {"path": "b", "debug": True})


def test_inputs_of_different_tasks_are_different():
    """Two tasks do not share a result because they are called alike."""

    def other(path):
        return path

    mine = key(INPUTS)

    assert mine != key(INPUTS, context=a_run(RunKind.TASK, "another"))
    assert mine != key(INPUTS, context=a_run(RunKind.TASK, fn=other))


def test_the_code_does_not_count_among_the_inputs():
    """With INPUTS alone a changed function keeps its results."""

    def version(number):
        def load():
            return number

        load.__qualname__ = "load"
        return a_run(RunKind.TASK, fn=load)

    assert key(INPUTS, context=version(1)) == key(INPUTS, context=version(2))
    assert key(TASK_SOURCE, context=version(1)) != key(TASK_SOURCE, context=version(2))


def test_a_task_without_parameters_has_no_inputs():
    """Where there is nothing to compare there is no key."""
    assert key(INPUTS, {}) is None


def test_what_cannot_be_compared_is_named():
    """An input without content to compare is an error that says where it is."""
    with pytest.raises(Unfingerprintable, match=r"a lock \(at x\[0\]\)"):
        key(INPUTS, {"x": [threading.Lock()]})
    with pytest.raises(Unfingerprintable):
        key(INPUTS + TASK_SOURCE, {"x": threading.Lock()})


# -- the other parts -----------------------------------------------------------------


def test_closures_count_as_code():
    """Two functions of one source that hold different values are different code."""

    def adder(n):
        return a_run(RunKind.TASK, fn=lambda x: x + n)

    assert key(TASK_SOURCE, context=adder(1)) != key(TASK_SOURCE, context=adder(2))
    assert key(TASK_SOURCE, context=adder(1)) == key(TASK_SOURCE, context=adder(1))


def test_a_changed_helper_counts_as_code(monkeypatch):
    """A function is another one when a function that it calls has changed."""
    scope = {"__name__": "__main__"}
    exec("def helper(): return 1\ndef load(): return helper()", scope)
    context = a_run(RunKind.TASK, fn=scope["load"])
    before = key(TASK_SOURCE, context=context)

    exec("def helper(): return 2", scope)

    assert key(TASK_SOURCE, context=context) != before


def test_the_run_id_is_the_flow_runs():
    """RUN_ID is the nearest flow run's id, and the task run's where there is none."""
    flow = a_run(RunKind.FLOW, run_id="flow")
    outer = a_run(RunKind.TASK, run_id="outer", parent=flow)
    inner = a_run(RunKind.TASK, run_id="inner", parent=outer)
    session = a_run(RunKind.SESSION, run_id="session")
    alone = a_run(RunKind.TASK, run_id="alone", parent=session)

    assert key(RUN_ID, context=inner) == "flow"
    assert key(RUN_ID, context=alone) == "alone"


def test_flow_parameters_count_where_there_are_some():
    """FLOW_PARAMETERS compares what the flow was called with."""
    one = key(FLOW_PARAMETERS, around={"day": 1})

    assert one == key(FLOW_PARAMETERS, around={"day": 1})
    assert one != key(FLOW_PARAMETERS, around={"day": 2})
    assert key(FLOW_PARAMETERS) is None


def test_a_key_function_gets_context_and_inputs():
    """A key function's own words are the key."""
    policy = CachePolicy.from_cache_key_fn(
        lambda context, inputs: f"{context.task.name} {inputs['path']}"
    )

    assert key(policy) == "load a.csv"
    assert policy == CacheKeyFnPolicy(cache_key_fn=policy.cache_key_fn)


# -- the algebra ---------------------------------------------------------------------


def test_sums_are_values():
    """Policies made of the same parts are equal and can be keys of a table."""
    assert INPUTS + TASK_SOURCE == INPUTS + TASK_SOURCE
    assert INPUTS + TASK_SOURCE + RUN_ID == DEFAULT
    assert len({INPUTS, Inputs(), INPUTS - "a", Inputs(exclude=["a"])}) == 2
    assert INPUTS - "a" - "b" == INPUTS - "b" - "a"
    assert (INPUTS - "a") + (INPUTS - "b") + RUN_ID == INPUTS - "a" - "b" + RUN_ID
    assert INPUTS != INPUTS - "a"
    assert hash(DEFAULT) == hash(INPUTS + TASK_SOURCE + RUN_ID)


def test_a_sum_compares_all_of_its_parts():
    """A key of a sum changes with each of its parts."""
    policy = INPUTS + FLOW_PARAMETERS

    assert key(policy, around={"day": 1}) != key(policy, around={"day": 2})
    assert key(policy, {"path": "a"}) != key(policy, {"path": "b"})


def test_parts_that_say_nothing_do_not_count():
    """A sum has a key if one part has, and none if none has."""
    assert key(INPUTS + FLOW_PARAMETERS) is not None
    assert key(INPUTS + FLOW_PARAMETERS, {}) is None
    assert key(CompoundCachePolicy()) is None


def test_no_cache_adds_nothing():
    """NO_CACHE has no key, and a sum with it is the other one."""
    assert key(NO_CACHE) is None
    assert NO_CACHE + INPUTS == INPUTS + NO_CACHE == INPUTS
    assert DEFAULT + NONE == DEFAULT
    assert NONE == NO_CACHE


def test_sums_within_sums_are_one():
    """A sum of sums holds each part once."""
    assert (INPUTS + RUN_ID) + (RUN_ID + TASK_SOURCE) == INPUTS + RUN_ID + TASK_SOURCE


def test_nonsense_in_sums_is_an_error():
    """Only policies are added, and only names are taken away."""
    with pytest.raises(TypeError):
        INPUTS + "x"
    for policy in (INPUTS, RUN_ID, DEFAULT):
        with pytest.raises(TypeError, match="Only the name of an input"):
            policy - 1


def test_taking_an_input_from_what_has_none_changes_nothing():
    """A policy that looks at no input is the same without one."""
    assert RUN_ID - "x" == RUN_ID
    assert (RUN_ID + TASK_SOURCE) - "x" == RUN_ID + TASK_SOURCE


@pytest.mark.parametrize(
    "decorate",
    [lambda c: c, dataclass, dataclass(frozen=True)],
    ids=["plain", "dataclass", "frozen"],
)
def test_users_write_their_own(decorate):
    """A subclass with its own compute_key is a policy like ours."""

    @decorate
    class ByLength(CachePolicy):
        def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
            return str(len(inputs["path"]))

    policy = ByLength()

    assert key(policy) == "5"
    assert key(policy + RUN_ID) != key(policy)
    assert policy.configure(isolation_level="SERIALIZABLE").isolation_level
    assert policy.isolation_level is None


def test_settings_that_nothing_needs_are_taken():
    """isolation_level and lock_manager change nothing, as one run computes anyway."""
    configured = INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=object())

    assert key(configured) == key(INPUTS)
    assert (configured + RUN_ID).isolation_level == "SERIALIZABLE"
    with pytest.raises(ValueError, match="different isolation levels"):
        configured + RUN_ID.configure(isolation_level="READ_COMMITTED")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key_storage": "s3://keys"}, "key_storage='s3://keys' is not supported"),
        ({"isolation_level": "NONE"}, "isolation_level must be one of READ_COMMITTED"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(settings, message):
    """A setting that would be ignored to the user's harm is an error."""
    for make in (INPUTS.configure, Inputs, CachePolicy):
        with pytest.raises(InvalidDeclaration, match=message):
            make(**settings)


# -- what a declaration means ----------------------------------------------------------


def by_hand(context, inputs):
    return "k"


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({}, None),
        ({"persist_result": True}, DEFAULT),
        ({"cache_policy": INPUTS}, INPUTS),
        ({"cache_policy": INPUTS, "persist_result": True}, INPUTS),
        ({"cache_key_fn": by_hand}, CacheKeyFnPolicy(cache_key_fn=by_hand)),
        ({"result_serializer": "json"}, DEFAULT),
        ({"result_storage_key": "k"}, StorageKey("k")),
        ({"result_storage_key": "k", "cache_policy": INPUTS}, INPUTS),
        ({"cache_policy": NO_CACHE, "persist_result": True}, NO_CACHE),
        ({"persist_result": False}, NO_CACHE),
        ({"persist_result": False, "cache_policy": NO_CACHE}, NO_CACHE),
    ],
)
def test_what_a_declaration_means(options, meant):
    """Nothing is reused unless a policy, a key or persist_result says so."""
    assert policy_of(TASK, **options) == meant


@pytest.mark.parametrize(
    "options", [{"cache_policy": INPUTS}, {"cache_key_fn": by_hand}]
)
def test_a_policy_without_persistence_is_told(options):
    """persist_result=False wins over a policy, with a warning."""
    with pytest.warns(CacheWarning, match="Task 'load' is not cached, because"):
        meant = policy_of(TASK, persist_result=False, **options)

    assert meant == NO_CACHE


def test_a_key_function_wins_over_a_policy():
    """Where both are given the key function counts, with a warning."""
    with pytest.warns(CacheWarning, match="cache_policy is ignored"):
        meant = policy_of(TASK, cache_policy=INPUTS, cache_key_fn=by_hand)

    assert meant == CacheKeyFnPolicy(cache_key_fn=by_hand)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_policy": "INPUTS"}, "must be a cache policy such as INPUTS"),
        ({"cache_policy": Inputs}, "Call it first"),
        ({"cache_key_fn": "k"}, "must be a function"),
        ({"result_storage_key": 1}, "must be a text, not 1"),
        ({"result_storage_key": "{parameter[day]}"}, "names 'parameter'"),
        ({"result_storage_key": "{parameters[day}"}, "is no format text"),
    ],
)
def test_wrong_declarations_fail_at_once(options, message):
    """What cannot work is told where it is declared, with the task's name."""
    with pytest.raises(InvalidDeclaration, match=f"^Task 'load': .*{message}"):
        policy_of(TASK, **options)


def test_a_task_follows_its_flow_unless_it_says_otherwise():
    """In a flow with persist_result a task keeps results too, if it said nothing."""
    assert effective_policy(None, flow_persists=True) == DEFAULT
    assert effective_policy(None, flow_persists=False) is None
    assert effective_policy(NO_CACHE, flow_persists=True) is None
    assert effective_policy(INPUTS, flow_persists=False) == INPUTS


def test_a_key_written_by_hand_is_filled_in():
    """A result_storage_key names the runs and the parameters."""
    flow = a_run(RunKind.FLOW, "etl")
    context = a_run(RunKind.TASK, parent=flow)
    policy = StorageKey("{flow_run.flow_name}/{task_run.task_name}/{parameters[path]}")

    assert key(policy, context=context) == "etl/load/a.csv"


# -- serializers -----------------------------------------------------------------------


PLAIN = {"rows": [1, 2.5, None, "é", True], "inner": {"": []}}


@pytest.mark.parametrize(
    "name", ["pickle", "json", "compressed", "compressed/pickle", "compressed/json"]
)
def test_serializers_have_short_names(name):
    """A serializer is named by a text, and gives back what it was given."""
    serializer = checked_serializer(TASK, name)

    assert serializer.loads(serializer.dumps(PLAIN)) == PLAIN
    assert isinstance(serializer.dumps(PLAIN), bytes)


def test_pickles_hold_functions_of_a_notebook():
    """A function that no module has is pickled by value."""
    serializer = PickleSerializer()

    assert serializer.loads(serializer.dumps(lambda x: x + 1))(1) == 2


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ((1, 2), "JSON has no 'tuple'"),
        ({"a": [1, (2,)]}, r"JSON has no 'tuple', as at \['a'\]\[1\]"),
        ({1: "x"}, "JSON has no key 1"),
        ({"a": {1, 2}}, "JSON has no 'set'"),
    ],
)
def test_json_refuses_what_would_come_back_otherwise(value, place):
    """JSON is written only if it gives back the very same value."""
    with pytest.raises(TypeError, match=place):
        JSONSerializer().dumps(value)


def test_json_takes_encoders():
    """An encoder and a decoder say how other values are written."""
    serializer = JSONSerializer(
        object_encoder=lambda value: {"complex": [value.real, value.imag]},
        object_decoder=lambda held: complex(*held["complex"]) if held else held,
    )

    assert serializer.loads(serializer.dumps([1j])) == [1j]
    assert JSONSerializer(object_encoder="builtins.str").dumps(1j) == b'"1j"'
    assert JSONSerializer(dumps_kwargs={"indent": 1}).dumps([1]) == b"[\n 1\n]"


def test_compression_makes_less():
    """What another serializer writes is compressed with any module that can."""
    for library in ("lzma", "bz2", "zlib"):
        serializer = CompressedSerializer(serializer="json", compressionlib=library)

        assert len(serializer.dumps([0] * 1000)) < 200
        assert serializer.loads(serializer.dumps([0] * 1000)) == [0] * 1000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: checked_serializer(TASK, "jsn"), "no serializer 'jsn'. Did you mean"),
        (lambda: checked_serializer(TASK, 1), "must have dumps and loads, which 1"),
        (
            lambda: checked_serializer(TASK, JSONSerializer),
            r"Give .*JSONSerializer\(\)",
        ),
        (lambda: PickleSerializer(picklelib="pikle"), "cannot be imported"),
        (lambda: PickleSerializer(picklelib="math"), r"has no dumps\(\)"),
        (lambda: PickleSerializer(picklelib_version="0.1"), "0.1 is asked for and"),
        (lambda: JSONSerializer(dumps_kwargs={"default": str}), "as object_encoder"),
        (lambda: JSONSerializer(loads_kwargs={"object_hook": 1}), "as object_decoder"),
        (lambda: JSONSerializer(object_encoder="no.such"), "cannot be imported"),
        (lambda: JSONSerializer(object_encoder=1), "is no function"),
        (lambda: CompressedPickleSerializer(compressionlib="json"), r"no compress\(\)"),
        (lambda: CompressedSerializer(serializer="x"), "there is no serializer 'x'"),
    ],
)
def test_wrong_serializers_fail_at_once(make, message):
    """A serializer that cannot work is told where it is declared."""
    with pytest.raises(InvalidDeclaration, match=message):
        make()


def test_each_kind_of_serializer_marks_its_results():
    """Results of one way of writing are not read in another."""

    class Own:
        def dumps(self, obj):
            return b""

        def loads(self, blob):
            return None

    marks = [
        mark_of(each)
        for each in (
            None,
            PickleSerializer(),
            PickleSerializer(picklelib="pickle"),
            JSONSerializer(),
            CompressedPickleSerializer(),
            CompressedJSONSerializer(),
            CompressedJSONSerializer(compressionlib="zlib"),
            Own(),
            pytest,
        )
    ]

    assert len(set(marks)) == len(marks)
