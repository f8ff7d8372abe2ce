"""The gradient of one number that a model's outputs make, by each parameter: PyTorch's and TensorFlow's."""
