"""The Hub through huggingface_hub: one client, a bounded number of announced retries, failures in our words."""

import re
import time
from collections import Counter

from ..errors import WorkerError, first_line, keep_secret, without_secrets

# Statuses after which the same request may succeed.
TRANSIENT = (408, 429, 500, 502, 503, 504)
TRIES = 5
# Seconds. When the Hub asks for a longer wait, the request fails and says so.
LONGEST_WAIT = 300
TIME_LIMITS = (20.0, 120.0, 120.0, None)  # connect, read, write, get a free connection

# True in a process that runs nothing but the worker. huggingface_hub has one HTTP client for the whole process: in the
# worker we give it our time limits and let it report its waits, in a user's process we leave it alone.
owns_process = False


class Hub:
    """The Hub for one request with the fields `token` and `offline`.

    library: the module huggingface_hub; api: its HfApi; endpoint: address of the Hub; token: the request's, else the
    stored one, else None; offline: nothing beyond this machine may be asked. say(text) is called with each failure that
    may be temporary. Raises WorkerError of kind environment without huggingface_hub.
    """

    def __init__(self, request, say):
        try:
            import huggingface_hub as library
            from huggingface_hub import HfApi, set_client_factory
        except ImportError as error:
            raise WorkerError(
                "environment",
                f"python: cannot import huggingface_hub ({error}); run `pip install 'huggingface_hub>=1.31'`",
            ) from error
        from .. import __version__

        self.library, self.say = library, say
        self.endpoint = without_secrets(library.constants.ENDPOINT)
        self.offline = bool(request.get("offline")) or library.constants.HF_HUB_OFFLINE
        self.token = (request.get("token") or "").strip() or self._stored_token()
        keep_secret(self.token)
        if self.token and not re.fullmatch(r"[!-~]+", self.token):
            seen = "holds a space, or a character that is not ASCII"
            raise WorkerError("bad-input", f"hub: the token {seen}; copy it again from {self.endpoint}/settings/tokens")
        self.api = HfApi(token=self.token, library_name="crossload", library_version=__version__)
        if owns_process:
            set_client_factory(self._client)

    def patiently(self, call, settled=lambda error: None, tries=TRIES):
        """The result of call(), repeated after temporary failures; for calls that the library does not repeat itself.

        settled(error) is called after each such failure: if it returns anything, that is the result.
        """
        pause = 1
        for attempt in range(1, tries + 1):
            try:
                return call()
            except Exception as error:
                if not self._is_temporary(error):
                    raise
                if attempt < tries:
                    asked = _wait_asked_for(getattr(error, "response", None))
                    self.say(f"asking again in {pause if asked is None else asked} s, {attempt} of {tries - 1}")
                    time.sleep(pause if asked is None else asked)
                    pause = min(2 * pause, 8)
                result = settled(error)
                if result is not None:
                    return result
                if attempt == tries:
                    raise

    def failure(self, error, where, access="read"):
        """The WorkerError that says what went wrong with `where`, a repository or a file of it.

        access: `read` or `write`, what was tried. kind bad-input for what the user named wrongly, else environment.
        """
        if isinstance(error, WorkerError):
            return error
        kind, seen, advice = self._explain(error, where, access)
        return WorkerError(kind, without_secrets(f"{where}: {seen}; {advice}"))

    def _is_temporary(self, error):
        """Whether the same request may succeed later: the connection failed, or the Hub is busy or out of order."""
        from huggingface_hub.errors import HfHubHTTPError, HTTPError

        if isinstance(error, HfHubHTTPError):
            return error.response.status_code in TRANSIENT
        return isinstance(error, HTTPError)

    def _explain(self, error, where, access):
        from huggingface_hub import errors

        if isinstance(error, errors.HFValidationError):
            return "bad-input", f"is no name of a repository ({first_line(error)})", "give `owner/name`"
        if isinstance(error, errors.OfflineModeIsEnabled):
            return "environment", "the Hub is needed and HF_HUB_OFFLINE is set", "unset it"
        if isinstance(error, errors.HfHubHTTPError):
            return self._explain_status(error, where, access)
        if isinstance(error, errors.HTTPError):
            seen = f"the connection to {self.endpoint} failed ({first_line(error)})"
            return "environment", seen, "check the network and HF_ENDPOINT"
        if isinstance(error, ValueError) and isinstance(error.__cause__, errors.BadRequestError):
            said = " ".join(line.strip() for line in str(error).splitlines()).rstrip(".")
            return "bad-input", f"{self.endpoint} refuses this ({said})", "correct it and run again"
        if error.__cause__ is not None and isinstance(error, (RuntimeError, errors.LocalEntryNotFoundError)):
            return self._explain(error.__cause__, where, access)
        if isinstance(error, OSError) and error.errno is not None:
            return "environment", first_line(error), "check disk space and permissions"
        return "environment", f"the Hub's client failed ({first_line(error)})", "run again, or later"

    def _explain_status(self, error, where, access):
        from huggingface_hub import errors

        status, log_in = error.response.status_code, "run `hf auth login` or set HF_TOKEN"
        said = _what_was_said(error)
        seen = f"{self.endpoint} answers {status}{said}"
        if isinstance(error, errors.GatedRepoError):
            token = "this token has no access" if self.token else "no token is known here"
            repository = "/".join(where.split("/")[:2])
            advice = f"ask for access at {self.endpoint}/{repository}" + ("" if self.token else f", then {log_in}")
            return "environment", f"is gated, and {token} ({status})", advice
        if isinstance(error, errors.RevisionNotFoundError):
            return "bad-input", f"has no such revision ({status})", "check --revision"
        if isinstance(error, errors.DisabledRepoError):
            return "environment", f"was disabled by the Hub ({status})", "choose another one"
        if status == 401 and self.token and "invalid" in said.lower():
            return "environment", f"{self.endpoint} does not accept the token ({status}{said})", log_in
        if access == "read" and (status in (401, 404) or isinstance(error, errors.RepositoryNotFoundError)):
            seen = f"neither a folder here nor a model that {'this token' if self.token else 'everybody'} may read"
            advice = "check the name" + ("" if self.token else f"; if it is private, {log_in}")
            return "bad-input", f"{seen} on {self.endpoint} ({status})", advice
        if status == 401:
            return "environment", seen, log_in
        if status == 403:
            return "environment", seen, f"use a token that may {access} there"
        if status in (409, 412):
            return "environment", seen + ": it was changed meanwhile", "run again"
        if status == 429:
            return "environment", seen, "wait a while and run again; what was sent counts"
        if status in (400, 413, 422):
            return "bad-input", f"{self.endpoint} refuses this ({status}{said})", "correct it and run again"
        return "environment", seen, "run again, or later"

    def _stored_token(self):
        """The token of HF_TOKEN or `hf auth login`, or None."""
        if self.offline or self.library.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            return None
        try:
            return self.library.get_token()
        except Exception as error:
            seen = f"the stored token cannot be used ({first_line(error)})"
            raise WorkerError("environment", without_secrets(f"hub: {seen}; run `hf auth login`")) from error

    def _client(self):
        from huggingface_hub.errors import HTTPError
        from huggingface_hub.utils._http import default_client_factory

        client = default_client_factory()
        client.timeout = TIME_LIMITS
        send, failures = client.send, Counter()

        def note(request, what):
            failures[request.url.path] += 1
            count = failures[request.url.path]
            self.say(f"{request.url.host} {what}" + (f", {count} times" if count > 1 else ""))

        def send_and_tell(request, **options):
            try:
                response = send(request, **options)
            except HTTPError as error:
                note(request, f"cannot be reached ({first_line(error)})")
                raise
            if response.status_code in TRANSIENT:
                wait = _wait_asked_for(response)
                asks = "" if wait is None else f" and asks to wait {wait} s"
                note(request, f"answers {response.status_code} {response.reason_phrase}{asks}")
                if wait is not None and wait > LONGEST_WAIT:
                    response.close()
                    seen = f"answers {response.status_code}{asks}, more than the {LONGEST_WAIT} s that are waited for"
                    raise WorkerError("environment", f"{self.endpoint}: {seen}; run again then")
            return response

        client.send = send_and_tell
        return client


def _wait_asked_for(response):
    """Seconds that `Retry-After` or the rate limit of an answer ask for, None when neither does."""
    if response is None:
        return None
    limit = re.search(r"r=0\s*;\s*t=(\d+)", response.headers.get("ratelimit", "").replace(" ", ""))
    if response.status_code == 429 and limit:
        return int(limit[1])
    after = response.headers.get("retry-after", "").strip()
    return int(after) if after.isdigit() else None


def _what_was_said(error):
    """`: ` and the first line of the server's own message, for a status in brackets; or nothing."""
    said = (error.server_message or "").strip().splitlines()
    return f": {said[0].rstrip('.')[:200]}" if said else ""
