"""PyTorch models: loading them, and the configuration flags that choose their outputs."""
