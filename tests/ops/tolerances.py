"""Where float32 may differ by more than rtol 1.3e-6 + atol 1e-5, and why. Keys are rows, or rows and sample names."""

TOLERANCES = {}

# Samples that are known to fail: {row: [(part of the sample's name, reason)]}. One that passes fails the run.
XFAIL = {}
