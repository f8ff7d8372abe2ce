"""What `crossload port` asks of Python: the source of the PyTorch classes, and what they do when they run."""
