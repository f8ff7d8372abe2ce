"""Activations: special values through every unary row, in-place forms, the low-level softmax."""

import torch
import torch.nn.functional as F
from tensors import MASKED, NAN, SPECIAL, X, aten, floats, ints

from samples import case

for name in ("relu", "relu6", "gelu", "silu", "mish", "sigmoid", "tanh", "selu", "elu", "leaky_relu", "softplus", "log_sigmoid",
             "hardtanh", "hardsigmoid", "hardswish"):  # fmt: skip
    finite = {"silu", "mish", "gelu", "hardswish"}  # -inf * 0 is NaN, also in PyTorch's vectorised half of a kernel
    case(f"aten.{name}.default", getattr(aten, name).default, SPECIAL[3:] if name in finite else SPECIAL)
case("aten.elu.default", lambda x: aten.elu.default(x, 1.5, 1.1, 0.7), SPECIAL)
case("aten.gelu.default", lambda x: F.gelu(x, approximate="tanh"), floats(5, 7) * 3)
case("aten.gelu.default", lambda x: F.gelu(x), floats(5, 7) * 3, second=[floats(3, 9) * 3])
UNIT = torch.tensor([0.0, 1.0, -0.5, 1.5, 1e-6, 1 - 1e-6, 0.25, NAN])
case("aten.logit.default", lambda x: torch.logit(x), UNIT)
case("aten.logit.default", lambda x: torch.logit(x, 1e-5), UNIT)
case("aten.logit.default", lambda x: torch.logit(x, 1e-3), floats(5, 7).sigmoid(), second=[floats(3, 9).sigmoid()])
for name in ("relu_", "silu_", "hardswish_"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: f(x.clone()), X)
case("aten.hardtanh_.default", lambda x: aten.hardtanh_.default(x.clone(), -0.5, 0.7), X)
case("aten.prelu.default", torch.prelu, X, floats(3))
for half in ("_softmax", "_log_softmax"):
    case(f"aten.{half}.default", lambda x, f=getattr(aten, half).default: f(x, 1, False), X)
    case(f"aten.{half}.default", lambda x, f=getattr(aten, half).default: f(x, -1, False), X)
for name in ("softmax", "log_softmax"):
    function = getattr(torch, name)
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1), MASKED)
    case(f"aten.{name}.int", lambda x, f=function: f(x, 0), torch.zeros(0, 3))
    case(f"aten.{name}.int", lambda x, f=function: f(x, -1), torch.zeros(2, 0))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 0), torch.tensor(3.0))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1, dtype=torch.float32), ints(3, 4))
    case(f"aten.{name}.int", lambda x, f=function: f(x, 1), X, second=[floats(3, 5, 2)])
