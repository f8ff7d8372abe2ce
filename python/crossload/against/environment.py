"""TensorFlow as the classes that are compared want it."""

import os

from ..errors import WorkerError


def use_keras_of_transformers():
    """Before TensorFlow or Transformers are imported: Transformers 4 has Keras 2 in mind."""
    from importlib.metadata import PackageNotFoundError, version

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    try:
        if version("transformers").startswith("4."):
            os.environ["TF_USE_LEGACY_KERAS"] = "1"
    except PackageNotFoundError:
        pass


def import_tensorflow():
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise WorkerError(
            "environment", f"python: cannot import tensorflow ({error}); run `pip install tensorflow-cpu==2.21.0`"
        ) from error
