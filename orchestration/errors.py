"""The errors that reach a person, with the exit code each one has.

Belongs here: exceptions whose text is shown as one line on stderr. Does not belong here: errors that a
module raises and catches itself.
"""


class AgentmartError(Exception):
    """A failure with a message for the person at the terminal: object, value, fix; one line."""

    exit_code = 1


class UserError(AgentmartError):
    """Wrong usage or input: an unknown scope, a malformed period, a missing folder."""

    exit_code = 2


class RunFailure(AgentmartError):
    """The work was asked for correctly and could not be done: a failed audit, a full disk."""
