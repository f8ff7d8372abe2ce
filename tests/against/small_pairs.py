"""A small PyTorch model with convolutions and its Keras 3 twin, whose layers bear the same names."""

import keras
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 24), nn.Linear(24, 8)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(x)))


class Net(nn.Module):
    """pixels [batch, 3, height, width] to scores [batch, 5]."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 5)

    def forward(self, pixels):
        x = torch.relu(self.norm(self.conv(pixels)))
        x = x.mean((2, 3))
        for block in self.blocks:
            x = block(x)
        return {"scores": self.head(x)}


class KerasBlock(keras.layers.Layer):
    approximate = False

    def __init__(self, up="up", **options):
        super().__init__(**options)
        setattr(self, up, keras.layers.Dense(24))
        self.first, self.down = getattr(self, up), keras.layers.Dense(8)

    def call(self, x):
        return x + self.down(keras.activations.gelu(self.first(x), approximate=self.approximate))


class KerasNet(keras.Model):
    def __init__(self, epsilon=1e-5, up="up", scores=5):
        super().__init__()
        self.conv = keras.layers.Conv2D(8, 3, padding="same")
        self.norm = keras.layers.BatchNormalization(epsilon=epsilon)
        self.blocks = [KerasBlock(up), KerasBlock(up)]
        self.head = keras.layers.Dense(scores)

    def call(self, pixels, training=False):
        x = keras.ops.transpose(pixels, (0, 2, 3, 1))
        x = keras.ops.relu(self.norm(self.conv(x), training=training))
        x = keras.ops.mean(x, (1, 2))
        for block in self.blocks:
            x = block(x)
        return {"scores": self.head(x)}


def pair(**options):
    """(PyTorch model, Keras model with its weights, inputs)."""
    torch.manual_seed(0)
    net = Net().eval()
    net.norm.running_mean.normal_(0, 0.2)
    net.norm.running_var.uniform_(0.01, 0.03)
    inputs = {"pixels": torch.randn(2, 3, 6, 7)}
    twin = KerasNet(**options)
    twin(inputs["pixels"].numpy())
    twin.conv.set_weights([net.conv.weight.detach().permute(2, 3, 1, 0).numpy(), net.conv.bias.detach().numpy()])
    norm = (net.norm.weight, net.norm.bias, net.norm.running_mean, net.norm.running_var)
    twin.norm.set_weights([v.detach().numpy() for v in norm])
    for block, other in zip(net.blocks, twin.blocks, strict=True):
        for linear, dense in ((block.up, other.first), (block.down, other.down)):
            dense.set_weights([linear.weight.detach().T.numpy(), linear.bias.detach().numpy()])
    if twin.head.units == 5:
        twin.head.set_weights([net.head.weight.detach().T.numpy(), net.head.bias.detach().numpy()])
    return net, twin, inputs
