"""The request `reference`: the values that PyTorch computes, and how far its own float32 runs are from the truth."""
