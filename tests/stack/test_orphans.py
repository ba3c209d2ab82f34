"""Nothing that was ever started below the supervisor stays behind, whatever it did to get away."""

import subprocess
import sys

import psutil

# Starts a child, which starts a process in a session of its own and ends; then ends all descendants.
_CHILD = """
import subprocess, sys
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL).pid)
"""
_SUPERVISOR = """
import subprocess, sys
from deploy.local.orphans import adopt_orphans, end_descendants
adopt_orphans()
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
end_descendants()
"""


def test_a_grandchild_that_left_its_group_is_ended_and_collected() -> None:
    result = subprocess.run([sys.executable, "-c", _SUPERVISOR, _CHILD], check=True, capture_output=True, text=True)
    assert not psutil.pid_exists(int(result.stdout))
