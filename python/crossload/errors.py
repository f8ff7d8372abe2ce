"""The exceptions of the Python side."""


class WorkerError(Exception):
    """A failure with a kind that decides the exit code, and every reason at once.

    kind: `bad-input` (the user's model, flags or files), `unsupported` (PyTorch cannot export the model) or
    `environment` (something is missing, network or disk failed).
    message: `<where>: <what was seen, with numbers>; <what to do>`, lower case, no full stop.
    details: further lines, one reason each.
    """

    def __init__(self, kind, message, details=()):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = [str(d) for d in details]


class CrossloadError(WorkerError):
    """What `crossload.convert` and its kin raise; kinds are those of the command's exit codes."""

    def __str__(self):
        return "\n  ".join([self.message, *self.details])


def last_lines(error, limit=12):
    """The last `limit` non-empty lines of an exception's text, for `details`."""
    lines = [line.rstrip() for line in f"{type(error).__name__}: {error}".splitlines()]
    return [line for line in lines if line.strip()][-limit:]


def first_line(error):
    """The first non-empty line of an exception's text, with its type, without a final full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
