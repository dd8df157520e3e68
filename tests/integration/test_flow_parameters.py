"""Flow parameters: a flow gets what its annotations ask for, wherever it is called."""

import pytest

from nborch import flow, task
from nborch.exceptions import ParameterTypeError

pytestmark = pytest.mark.usefixtures("home")


@flow
def doubled(number: int):
    return number * 2


def test_a_flow_gets_what_it_asks_for():
    """Text becomes a number for a flow that asks for one, in a subflow too."""

    @flow
    def outer():
        return doubled("4")

    assert doubled("5") == 10
    assert outer() == 8


def test_a_flow_with_a_wrong_parameter_fails():
    """A parameter that does not fit fails the run before its code begins."""
    state = doubled("x", return_state=True)

    assert state.is_failed()
    with pytest.raises(ParameterTypeError) as caught:
        doubled("x")
    assert str(caught.value) == (
        "Flow 'doubled': parameter 'number' got 'x'; expected a whole number."
    )


def test_validation_can_be_turned_off():
    """With ``validate_parameters=False`` a flow gets what it is given."""

    @flow(validate_parameters=False)
    def as_it_is(number: int):
        return number

    assert as_it_is("5") == "5"


def test_a_task_gets_what_it_is_given():
    """Parameters of tasks are not converted."""

    @task
    def as_it_is(number: int):
        return number

    assert as_it_is("5") == "5"


def test_a_result_is_validated_not_its_future():
    """A future given to a flow is first replaced by its result."""

    @task
    def text():
        return "21"

    @flow
    def outer():
        return doubled(text.submit())

    assert outer() == 42


def test_classes_of_other_cells_are_found(kernel):
    """In a notebook an annotation as text may name a class that a later cell defines."""
    kernel("""
from __future__ import annotations
from nborch import flow
@flow
def total(order: Order, times: int) -> int:
    return order.amount * times
""")
    kernel(
        "import pydantic\nclass Order(pydantic.BaseModel):\n    amount: int",
    )

    assert kernel("total({'amount': '7'}, '6')").result == "42"
    assert "expected a value for 'amount'" in kernel("total({}, 6)").error
