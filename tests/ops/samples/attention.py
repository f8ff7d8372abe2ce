"""Attention: masks of each kind, rows that see nothing, fewer keys than queries, half precision."""

import torch
import torch.nn.functional as F
from tensors import INF, floats

from samples import case

Q, K, V = floats(2, 4, 3, 8), floats(2, 4, 5, 8, seed=1), floats(2, 4, 5, 8, seed=2)
ROWS = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])
attention = F.scaled_dot_product_attention
sdpa = "aten.scaled_dot_product_attention.default"
case(sdpa, attention, Q, K, V)
case(sdpa, attention, Q, K, V, second=[floats(3, 4, 2, 8), floats(3, 4, 7, 8), floats(3, 4, 7, 8)])
case(sdpa, attention, Q, K, V, ROWS)
case(sdpa, attention, Q, K, V, ROWS.expand(2, 1, 3, 5))
case(sdpa, attention, Q, K, V, torch.zeros(3, 5).masked_fill(~ROWS, -INF))
case(sdpa, attention, Q, K, V, floats(2, 1, 3, 5))
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True), Q, K, V)
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True), K, Q, Q)
case(sdpa, lambda q, k, v: attention(q, k, v, scale=0.3), Q, K, V)
case(sdpa, lambda q, k, v: attention(q, k, v, enable_gqa=True), Q, K[:, :2], V[:, :2])
case(sdpa, lambda q, k, v: attention(q, k, v, is_causal=True, enable_gqa=True), Q, K[:, :1], V[:, :1])
case(sdpa, attention, Q[0], K[0], V[0])
case(sdpa, attention, Q[0, 0], K[0, 0], V[0, 0], ROWS)
case(sdpa, attention, Q.half(), K.half(), V.half(), ROWS)
