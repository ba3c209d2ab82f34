"""Let a command work with the stack that runs in the data directory, without being told its addresses."""

import os

from deploy.cli.settings import load


def adopt_running_stack() -> bool:
    """Take over the servers' addresses of a running `order-engine up`, except those already set; whether one runs."""
    from deploy.local import state
    from deploy.local.settings import StackSettings

    found = state.read(load(StackSettings).data_dir)
    if found is None or not found.supervisor.alive():
        return False
    for name, value in found.environment.items():
        os.environ.setdefault(name, value)
    return True
