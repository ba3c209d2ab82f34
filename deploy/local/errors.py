"""Failures of the local stack that a person can act on."""


class StackError(Exception):
    """The stack cannot start or go on; the message is one line that says what to change."""
