"""crossload converts Hugging Face PyTorch models to TensorFlow and proves the result.

import crossload
c = crossload.convert("sentence-transformers/all-MiniLM-L6-v2", "out")
c.report.verdict          # "verified"
c.run(input_ids=…, attention_mask=…, token_type_ids=…)["last_hidden_state"]
"""

__version__ = "0.1.0"

_API = {"convert": "api", "verify": "api", "Conversion": "api", "CrossloadError": "errors"}

__all__ = ["Conversion", "CrossloadError", "__version__", "convert", "verify"]


def __getattr__(name):
    # The worker and the tracer start quickly because nothing is imported before it is used.
    if name in _API:
        from importlib import import_module

        return getattr(import_module(f".{_API[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_API])
