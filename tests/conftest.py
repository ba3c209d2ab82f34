"""What all tests share: the servers of `tests.servers`, and how long hypothesis looks for a counterexample."""

import os
import sys
import time

from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["tests.servers", "tests.sharing", "tests.certificates"]

# No deadline: a slow moment of the machine is not a failure of the code. No explanations: to look for those, every
# line is traced, and a failure would run into the time limit of a test before it is reported.
_COMMON = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
settings.register_profile("default", _COMMON, max_examples=100)
# The same examples in every run, so that a red build is red again.
settings.register_profile("ci", _COMMON, max_examples=200, derandomize=True, print_blob=True)
settings.register_profile("long", _COMMON, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_unconfigure() -> None:
    """Let the threads of Temporal's SDK hand over their last results: an interpreter that ends under them aborts."""
    if "temporalio.bridge.runtime" in sys.modules:
        time.sleep(0.2)
