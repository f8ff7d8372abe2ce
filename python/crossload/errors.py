"""The exceptions of the Python side, and what their text must never hold."""

import re

# What a Hub token looks like; `keep_secret` is for tokens of other forms.
TOKEN_FORM = re.compile(r"\bhf_(?:[A-Za-z0-9]{30,}|(?:oauth|jwt)_[\w.-]{16,})")
URL_SECRETS = re.compile(r"(?<=://)[^/@\s]+@|(?<=\S)\?(?:X-Amz-|[\w-]+=)[^\s'\"`]*")
# Anything shorter is no token, and might be part of an ordinary word.
SHORTEST_TOKEN = 8
_secrets = set()


class WorkerError(Exception):
    """A failure with a kind that decides the exit code, and every reason at once.

    kind: `bad-input` (the user's model, flags or files), `unsupported` (PyTorch cannot export the model), `mismatch`
    (the result differs from PyTorch) or `environment` (something is missing, network or disk failed).
    message: `<where>: <what was seen, with numbers>; <what to do>`, lower case, no full stop.
    details: further lines, one reason each.
    """

    def __init__(self, kind, message, details=()):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = [str(d) for d in details]


class CrossloadError(WorkerError):
    """What `crossload.convert` and `crossload.verify` raise; the command has an exit code for each kind.

    Only the exporter raises the kind `mismatch`; the others return a report with that verdict.
    """

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


def keep_secret(token):
    """Have `without_secrets` remove this token from now on, whatever its form."""
    if isinstance(token, str) and len(token.strip()) >= SHORTEST_TOKEN:
        _secrets.add(token.strip())


def without_secrets(text):
    """The text with tokens shown as `<token>`, and URLs without user names, passwords and signatures."""
    for secret in _secrets:
        text = text.replace(secret, "<token>")
    return URL_SECRETS.sub("", TOKEN_FORM.sub("<token>", text))
