"""The engine's native module, loaded so that it uses its own libraries.

TensorFlow's Python package puts its symbols, those of another protobuf among them, before those of libraries that are
loaded later. RTLD_DEEPBIND makes the module and what it links with look among themselves first.
"""

import os
import sys


def engine():
    """The module `crossload._engine`; ImportError where the package is not installed."""
    before = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    try:
        from . import _engine
    finally:
        sys.setdlopenflags(before)
    return _engine
