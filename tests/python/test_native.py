"""The native module beside other libraries in one process."""

import subprocess
import sys

SCRIPT = """
import sys
import tensorflow, torch, crossload
torch.manual_seed(1)  # with some weights all outputs are 0, which says nothing
model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()
conversion = crossload.convert(model, sys.argv[1], (torch.ones(2, 4),), stages=False)
print(conversion.report.verdict)
"""


def test_tensorflow_first(tmp_path, native_module):
    """TensorFlow's Python package brings a protobuf of its own, whose symbols the engine must not take for its own."""
    script = [sys.executable, "-c", SCRIPT, str(tmp_path / "out")]
    finished = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert finished.stdout.split()[-1] == "verified"
