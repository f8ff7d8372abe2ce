"""crossload converts Hugging Face PyTorch models to TensorFlow and proves the result.

import crossload
c = crossload.convert("sentence-transformers/all-MiniLM-L6-v2", "out")
c.report.verdict          # "verified"
c.run(input_ids=…, attention_mask=…, token_type_ids=…)["last_hidden_state"]
"""

__version__ = "0.1.0"

_API = {
    "convert": "api",
    "verify": "api",
    "Conversion": "api",
    "CrossloadError": "errors",
    "TensorFlowConfig": "exporter",
    "TensorFlowExporter": "exporter",
    "TensorFlowModelRunner": "exporter",
    "TensorFlowProgram": "exporter",
}

__all__ = [
    "Conversion",
    "CrossloadError",
    "TensorFlowConfig",
    "TensorFlowExporter",
    "TensorFlowModelRunner",
    "TensorFlowProgram",
    "__version__",
    "convert",
    "verify",
]


def __getattr__(name):
    # The worker starts quickly because nothing is imported before it is used.
    if name in _API:
        from importlib import import_module

        return getattr(import_module(f".{_API[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_API])


def _register_backend():
    from .registration import register

    register()


_register_backend()
