"""Small good files of each format, from which fuzzing starts: `seeds.py FOLDER` makes FOLDER/<target>/…"""

import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors.torch import save_file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x):
        return torch.relu(self.linear(x)) * self.scale


def safetensors(folder):
    save_file({"a": torch.zeros(2, 3), "b.c": torch.ones(4, dtype=torch.int64)}, folder / "two", {"format": "pt"})
    every = (torch.bfloat16, torch.float16, torch.float64, torch.uint8, torch.bool, torch.int8, torch.complex64)
    save_file({str(dtype): torch.zeros(2, dtype=dtype) for dtype in every}, folder / "dtypes")
    save_file({"empty": torch.zeros(0, 3), "scalar": torch.tensor(1.0)}, folder / "empty")


def pytorch(folder):
    state = Net().state_dict()
    odd = {"t": torch.arange(6.0).reshape(2, 3).t(), "p": torch.nn.Parameter(torch.ones(2)), "b": torch.tensor([True])}
    for zipped, form in ((True, "zip"), (False, "legacy")):
        torch.save(state, folder / f"state-{form}", _use_new_zipfile_serialization=zipped)
        torch.save(odd, folder / f"odd-{form}", _use_new_zipfile_serialization=zipped)
    torch.save({"x": torch.ones(3, dtype=torch.uint16)}, folder / "rebuild3", pickle_protocol=4)


def hdf5(folder):
    names = [b"m/a/kernel:0", b"m/a/bias:0"]
    for form in ("variable", "fixed"):
        with h5py.File(folder / form, "w") as file:
            file.attrs["layer_names"] = [b"a", b"b"] if form == "variable" else np.array([b"a", b"b"])
            file.attrs["backend"] = b"tensorflow"
            group = file.create_group("a")
            group.attrs["weight_names"] = names if form == "variable" else np.array(names)
            group[names[0]] = np.ones((2, 3), "f4")
            group[names[1]] = np.ones(3, "f2")
            file.create_group("b").attrs["weight_names"] = []
    with h5py.File(folder / "shard", "w") as file:
        layers = [f"a/b{i}/c".encode() for i in range(12)]
        file.attrs["layer_names"] = layers
        for i, name in enumerate(layers):
            file[name] = np.ones(i, ("i8", "f8", "u1", "?")[i % 4])


def pt2(folder):
    dynamic = {"x": {0: torch.export.Dim("n")}}
    torch.export.save(torch.export.export(Net(), (torch.ones(4, 3),), dynamic_shapes=dynamic), folder / "net.pt2")


def main():
    for make in (safetensors, pytorch, hdf5, pt2):
        folder = Path(sys.argv[1], make.__name__)
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)


if __name__ == "__main__":
    main()
