"""crossload converts Hugging Face PyTorch models to TensorFlow."""

__version__ = "0.1.0"
