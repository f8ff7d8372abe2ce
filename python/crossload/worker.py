"""`python -m crossload.worker`: one JSON request a line on standard input, JSON events on standard output.

See README.md beside this file for the protocol. Whatever libraries print goes to standard error.
"""

import json
import os
import sys
import threading
import traceback

from .errors import WorkerError, first_line, keep_secret, last_lines, without_secrets
from .hub import client
from .json_numbers import with_json_numbers
from .session import Session

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def handle(request, progress, session):
    """Answer one request (a dict with `do`) in this process; returns the result, raises WorkerError.

    progress(stage, text, fraction) is called now and then, fraction is 0 to 1 or None; session is the Session.
    """
    do = request.get("do") if isinstance(request, dict) else None
    if do not in HANDLERS:
        raise WorkerError("bad-input", f"request: `do` is {json.dumps(do)}; one of {', '.join(HANDLERS)} is expected")
    # An empty list is an answer: no class that generates, say.
    missing = [name for name in NEEDED.get(do, ()) if not request.get(name) and request.get(name) != []]
    if missing and not (missing == ["model"] and session.module is not None):
        raise WorkerError("bad-input", f"request `{do}`: `{missing[0]}` is missing; see python/crossload/README.md")
    keep_secret(request.get("token"))
    try:
        return HANDLERS[do](request, progress, session)
    except WorkerError as error:
        error.message, error.details = without_secrets(error.message), [without_secrets(d) for d in error.details]
        raise
    except OSError as error:
        raise WorkerError("environment", f"{do}: {first_line(error)}; check disk space and permissions") from error
    except MemoryError as error:
        raise WorkerError("environment", f"{do}: out of memory; use a smaller model or more memory") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = _place_of(error)
        # PyTorch's own RuntimeErrors come from C++, so that their last frame is that of whoever called it.
        from_pytorch = "/torch/" in frames[-1].filename or (isinstance(error, RuntimeError) and "torch" in sys.modules)
        if not place and not from_pytorch:
            raise  # a defect of ours
        callers = [frame for frame in frames if "/torch/" not in frame.filename][-4:]
        details = [f"{os.path.basename(f.filename)}:{f.lineno}: {f.line}" for f in callers]
        raise WorkerError(
            "unsupported",
            without_secrets(
                f"{do}{place}: PyTorch fails on the model ({first_line(error)}); see the details, and report it "
                "to PyTorch or Transformers with them"
            ),
            [without_secrets(line) for line in (*details, *last_lines(error))],
        ) from error


def _place_of(error):
    """` in BertSelfAttention (modeling_bert.py:123)`: the innermost module outside of PyTorch that an exception passed
    through, and its line; or ''."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_locals.get("self")
        file = frame.f_code.co_filename
        if hasattr(module, "_parameters") and "/torch/" not in file and not file.startswith(PACKAGE):
            found = f" in {type(module).__name__} ({os.path.basename(file)}:{line})"
    return found


def _trace(request, progress, session):
    from .trace.request import trace

    return trace(request, progress, session)


def _reference(request, progress, session):
    from .reference.request import reference

    return reference(request, progress, session)


def _explain(request, progress, session):
    from .reference.counterfactuals.request import explain

    return explain(request, progress, session)


def _dump(request, progress, session):
    from .reference.counterfactuals.files import dump

    return dump(request, progress, session)


def _reproduce(request, progress, session):
    from .reference.counterfactuals.files import reproduce

    return reproduce(request, progress, session)


def _resolve(request, progress, session):
    from .hub.fetch import resolve

    progress("fetch", f"looking for {request['model']}", None)
    return resolve(request, progress)


def _push(request, progress, session):
    from .hub.push import push

    return push(request, progress)


def _push_weights(request, progress, session):
    from .hub.push import push_weights

    return push_weights(request, progress)


def _example_inputs(request, progress, session):
    from .pt_to_tf.requests import write_example_inputs

    return write_example_inputs(request, progress, session)


def _class_of(request, progress, session):
    from .pt_to_tf.requests import class_of

    return class_of(request, progress)


def _judge_tf4(request, progress, session):
    from .pt_to_tf.tf4_judge import judge

    return judge(request, progress)


def _plain_hdf5(request, progress, session):
    from .plain_hdf5 import plain_hdf5

    return plain_hdf5(request, progress)


def _port_source(request, progress, session):
    from .port.request import port_source

    return port_source(request, progress)


def _judge_port(request, progress, session):
    from .port.judge import judge

    return judge(request, progress)


def _judge_keras_port(request, progress, session):
    from .port.judge_keras import judge_keras

    return judge_keras(request, progress)


def _port_test(request, progress, session):
    from .port.test_file import port_test

    return port_test(request, progress)


def _port_register(request, progress, session):
    from .port.register import port_register

    return port_register(request, progress)


def _against_pytorch(request, progress, session):
    from .against.pytorch import against_pytorch

    return against_pytorch(request, progress, session)


def _against_open(request, progress, session):
    from .against.keras import against_open

    return against_open(request, progress, session)


def _against_run(request, progress, session):
    from .against.keras import against_run

    return against_run(request, progress, session)


def _against_explain(request, progress, session):
    from .against.explain import against_explain

    return against_explain(request, progress, session)


def _against_dump(request, progress, session):
    from .against.explain import against_dump

    return against_dump(request, progress, session)


def _against_reproduce(request, progress, session):
    from .against.explain import against_reproduce

    return against_reproduce(request, progress, session)


def _gradients_pytorch(request, progress, session):
    from .gradients.request import gradients_pytorch

    return gradients_pytorch(request, progress, session)


def _gradients_tensorflow(request, progress, session):
    from .gradients.request import gradients_tensorflow

    return gradients_tensorflow(request, progress, session)


def _gradients_against_pytorch(request, progress, session):
    from .gradients.keras import gradients_against_pytorch

    return gradients_against_pytorch(request, progress, session)


def _gradients_against_keras(request, progress, session):
    from .gradients.keras import gradients_against_keras

    return gradients_against_keras(request, progress, session)


def _gradients_saved_model(request, progress, session):
    from .gradients.saved_model import gradients_saved_model

    return gradients_saved_model(request, progress)


def _versions(request, progress, session):
    from .trace.request import versions

    return versions()


HANDLERS = {
    "trace": _trace,
    "reference": _reference,
    "explain": _explain,
    "dump": _dump,
    "reproduce": _reproduce,
    "resolve": _resolve,
    "push": _push,
    "push_weights": _push_weights,
    "example_inputs": _example_inputs,
    "class_of": _class_of,
    "judge_tf4": _judge_tf4,
    "plain_hdf5": _plain_hdf5,
    "port_source": _port_source,
    "judge_port": _judge_port,
    "judge_keras_port": _judge_keras_port,
    "port_test": _port_test,
    "port_register": _port_register,
    "against_pytorch": _against_pytorch,
    "against_open": _against_open,
    "against_run": _against_run,
    "against_explain": _against_explain,
    "against_dump": _against_dump,
    "against_reproduce": _against_reproduce,
    "gradients_pytorch": _gradients_pytorch,
    "gradients_tensorflow": _gradients_tensorflow,
    "gradients_against_pytorch": _gradients_against_pytorch,
    "gradients_against_keras": _gradients_against_keras,
    "gradients_saved_model": _gradients_saved_model,
    "versions": _versions,
}
NEEDED = {
    "trace": ("model", "out"),
    "reference": ("model", "out"),
    "explain": ("model", "stages", "values", "nodes", "tries"),
    "dump": ("model", "stages", "values", "nodes", "out"),
    "reproduce": ("model", "stages", "values", "nodes", "out"),
    "resolve": ("model",),
    "push": ("out", "repo"),
    "push_weights": ("folder", "repo", "files", "verdict", "figures", "max_error", "usual_max_error"),
    "example_inputs": ("model", "out"),
    "class_of": ("model", "class"),
    "judge_tf4": ("model", "weights", "max_error"),
    "plain_hdf5": ("file", "out"),
    "port_source": ("model",),
    "judge_port": ("file", "model", "base", "classes"),
    "judge_keras_port": ("file", "model", "base", "classes"),
    "port_test": ("model", "base", "classes", "generating"),
    "port_register": ("checkout", "folder", "module", "model_type", "base", "classes", "file_text"),
    "against_pytorch": ("model", "out"),
    "against_run": ("out",),
    "against_explain": ("values", "layer", "tries", "pairs"),
    "against_dump": ("values", "pairs", "out"),
    "against_reproduce": ("values", "pairs", "leaves", "out"),
    "gradients_pytorch": ("model", "case", "coefficients", "out"),
    "gradients_tensorflow": ("saved_model", "case", "coefficients", "out"),
    "gradients_against_pytorch": ("coefficients", "out"),
    "gradients_against_keras": ("coefficients", "pairs", "out"),
    "gradients_saved_model": ("saved_model", "case", "coefficients", "out"),
}


def silence():
    """Switch off progress bars and warnings of the libraries; call before they are imported."""
    import logging
    import warnings

    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TRANSFORMERS_NO_ADVISORY_WARNINGS", "TQDM_DISABLE"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore")
    logging.lastResort.setLevel(logging.CRITICAL)
    logging.getLogger("torch").setLevel(logging.CRITICAL)
    logging.getLogger("transformers").setLevel(logging.ERROR)


def main():
    """Serve requests until standard input ends or a signal comes; exit code 0 at the end, 128 + n after signal n."""
    import signal

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    silence()
    client.owns_process = True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal_came, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    _end_with_parent()
    session = Session()
    try:
        for line in _lines(sys.stdin.fileno(), signal_came):
            if line.strip():
                _answer(line, answers, session)
    except BrokenPipeError:
        os._exit(0)  # the reader is gone: nobody is left to tell


def _lines(requests, signal_came):
    """Lines of a file descriptor until its end. Waits for a byte of `signal_came` as well: Python would handle a signal
    that comes just before a blocking read only after that read."""
    import select

    rest = b""
    while True:
        if signal_came in select.select([requests, signal_came], [], [])[0]:
            os.read(signal_came, 1)  # the handler ran, or runs now
            continue
        chunk = os.read(requests, 1 << 16)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if not chunk:
            yield rest
            return


def _answer(line, answers, session):
    lock = threading.Lock()  # transfers report their progress from several threads

    def emit(event):
        with lock:
            answers.write(json.dumps(with_json_numbers(event), ensure_ascii=False, allow_nan=False) + "\n")
            answers.flush()

    def progress(stage, text, fraction=None):
        emit({"event": "progress", "stage": stage, "text": without_secrets(text), "fraction": fraction})

    try:
        try:
            request = json.loads(line)
        except ValueError as error:
            raise WorkerError("bad-input", f"request: is not JSON ({error}); send one JSON object a line") from error
        result = handle(request, progress, session)
        emit({"event": "done", **result})
    except WorkerError as error:
        emit({"event": "error", "kind": error.kind, "message": error.message, "details": error.details})
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 (a defect of ours or a library's: report all of it)
        details = without_secrets(traceback.format_exc()).splitlines()[-12:]
        message = without_secrets(f"worker: {first_line(error)}; please report it with the details")
        emit({"event": "error", "kind": "environment", "message": message, "details": details})


def _end_with_parent():
    """End soon after the parent process, which may be killed while a request is answered and input is not read."""
    import time

    parent = os.getppid()

    def watch():
        import signal

        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)  # cleans up
        time.sleep(5)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _stop(number, frame):
    import signal

    signal.signal(number, lambda n, f: os._exit(128 + n))
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
