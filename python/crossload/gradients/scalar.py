"""The number whose gradient is compared: the sum of the outputs' elements, each times its coefficient.

Coefficients lie in a file as `coefficient/<output>`; those of positions that masks hide, or that are not finite, are 0.
"""

PREFIX = "coefficient/"


def read_coefficients(path):
    """{output: NumPy array}"""
    from safetensors.numpy import load_file

    return {name.removeprefix(PREFIX): value for name, value in load_file(path).items()}


def scalar_in_torch(outputs, coefficients):
    """outputs: {name: tensor}; those without coefficients do not count."""
    import torch

    total = 0
    for name, value in coefficients.items():
        output = outputs[name]
        # float64 outputs stay; narrow ones are added up in float32, in TensorFlow too.
        output = output if output.dtype == torch.float64 else output.float()
        factor = torch.from_numpy(value).to(output.dtype)
        total = total + (output.where(factor != 0, 0) * factor).sum()
    return total


def scalar_in_tensorflow(outputs, coefficients):
    """The same of TensorFlow's outputs; those that TensorFlow does not give, or in another shape, do not count."""
    import tensorflow as tf

    total = tf.constant(0.0)
    for name, value in coefficients.items():
        output = outputs.get(name)
        if output is None or tuple(output.shape) != value.shape:
            continue
        output = tf.cast(output, tf.float32)
        total += tf.reduce_sum(tf.where(value != 0, output, 0.0) * value)
    return total
