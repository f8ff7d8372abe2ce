"""The request `explain`: a stage run again in PyTorch with one thing changed, to see what TensorFlow does differently."""
