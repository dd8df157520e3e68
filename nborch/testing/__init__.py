"""What tests of flows and tasks need: a home of their own, and a clock turned by hand.

::

    @pytest.fixture(autouse=True, scope="session")
    def home():
        with temporary_home() as home:
            yield home

    def test_report():
        assert report(month=7) == "July"
        assert double.fn(4) == 8  # without a run
"""

from nborch.logs import disable_run_logger
from nborch.testing.clocks import Clock
from nborch.testing.homes import prefect_test_harness, temporary_home

__all__ = ["Clock", "disable_run_logger", "prefect_test_harness", "temporary_home"]
