"""How a command says that it failed."""


class CommandError(Exception):
    """A failure that a person can act on: one line on standard error and exit code 1."""
