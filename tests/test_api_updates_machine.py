"""Some hundred random changes beside a dict and brute force; thousands: ``python -m benchmarks.updates long``."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from updates_machine import Machine


def test_any_order_of_changes_is_what_a_dict_would_hold():
    quick = settings(
        max_examples=9,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # the first failure is short enough; shrinking would open hundreds of indexes
    )
    run_state_machine_as_test(Machine, settings=quick)
