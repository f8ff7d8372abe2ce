"""Makes `export_format="tensorflow"` known to Transformers' auto classes, without importing Transformers.

`transformers.exporters.auto` holds the registry. When it is imported already, the backend goes in at once, else as
soon as it is imported.
"""

import importlib.abc
import importlib.machinery
import sys

REGISTRY = "transformers.exporters.auto"


def register():
    """Register the backend now or later; a second call does nothing."""
    if REGISTRY in sys.modules:
        _add_backend(sys.modules[REGISTRY])
    elif not any(isinstance(finder, _RegistryFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RegistryFinder())


def _add_backend(registry):
    from .exporter import TensorFlowExporter, TensorFlowModelRunner

    if TensorFlowExporter.export_format not in registry.EXPORT_BACKENDS:
        registry.register_backend(TensorFlowExporter, TensorFlowModelRunner)


class _RegistryFinder(importlib.abc.MetaPathFinder):
    """Finds the registry's module as Python does by itself, and adds the backend once it has run."""

    def find_spec(self, name, path=None, target=None):
        if name != REGISTRY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module):
                run(module)
                _add_backend(module)

            spec.loader.exec_module = run_and_register
        return spec
