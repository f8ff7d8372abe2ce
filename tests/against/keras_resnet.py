"""ResNet in Keras 3 as somebody would write it: made from the configuration, with PyTorch's attribute names."""

import keras


def convolution(channels, size, stride):
    return keras.layers.Conv2D(channels, size, strides=stride, use_bias=False)


class ConvLayer(keras.layers.Layer):
    def __init__(self, channels, size, stride, activated=True):
        super().__init__()
        self.pad, self.activated = size // 2, activated
        self.convolution = convolution(channels, size, stride)
        self.normalization = keras.layers.BatchNormalization(epsilon=1e-5)

    def call(self, x):
        p = self.pad
        x = self.normalization(self.convolution(keras.ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))), training=False)
        return keras.ops.relu(x) if self.activated else x


class BasicLayer(keras.layers.Layer):
    def __init__(self, channels):
        super().__init__()
        self.layer = [ConvLayer(channels, 3, 1), ConvLayer(channels, 3, 1, activated=False)]

    def call(self, x):
        y = x
        for one in self.layer:
            y = one(y)
        return keras.ops.relu(x + y)


class Stage(keras.layers.Layer):
    def __init__(self, channels, depth):
        super().__init__()
        self.layers = [BasicLayer(channels) for _ in range(depth)]

    def call(self, x):
        for one in self.layers:
            x = one(x)
        return x


class Embeddings(keras.layers.Layer):
    def __init__(self, channels):
        super().__init__()
        self.embedder = ConvLayer(channels, 7, 2)
        self.pooler = keras.layers.MaxPool2D(3, 2)

    def call(self, x):
        return self.pooler(keras.ops.pad(self.embedder(x), ((0, 0), (1, 1), (1, 1), (0, 0))))


class Encoder(keras.layers.Layer):
    def __init__(self, config):
        super().__init__()
        self.stages = [Stage(n, d) for n, d in zip(config.hidden_sizes, config.depths, strict=True)]

    def call(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


class KerasResNet(keras.Model):
    def __init__(self, config):
        super().__init__()
        self.embedder = Embeddings(config.embedding_size)
        self.encoder = Encoder(config)

    def call(self, pixel_values):
        x = self.encoder(self.embedder(keras.ops.transpose(pixel_values, (0, 2, 3, 1))))
        pooled = keras.ops.mean(x, (1, 2), keepdims=True)
        names = {"last_hidden_state": x, "pooler_output": pooled}
        return {name: keras.ops.transpose(value, (0, 3, 1, 2)) for name, value in names.items()}
