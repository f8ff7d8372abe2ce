"""Writing safetensors tensor by tensor, so that no second copy of all values is ever in memory.

Layout: 8 bytes little-endian header length, a JSON header padded with spaces, then the bytes. Space for the header is
reserved from the names that may be written; the header itself is written at the end.
"""

import json
import struct

DTYPES = {
    "torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16",
    "torch.int64": "I64", "torch.int32": "I32", "torch.int16": "I16", "torch.int8": "I8", "torch.uint8": "U8",
    "torch.uint16": "U16", "torch.uint32": "U32", "torch.uint64": "U64", "torch.bool": "BOOL",
    "torch.complex64": "C64", "torch.complex128": "C128", "torch.float8_e4m3fn": "F8_E4M3", "torch.float8_e5m2": "F8_E5M2",
}  # fmt: skip
ENTRY_ROOM = 260  # dtype, offsets and up to eight axes of one entry


class TensorFile:
    """A safetensors file being written; names given up front bound the header, `write` may skip some of them.

    As a context manager it completes the file on exit, and removes it when the block failed.
    """

    def __init__(self, path, names):
        self._path = path
        self._room = 64 + sum(len(json.dumps(name)) + ENTRY_ROOM for name in names)
        self._room += -self._room % 64
        self._entries = {}
        self._end = 0
        self._file = open(path, "wb")
        self._file.write(struct.pack("<Q", self._room) + b" " * self._room)

    def __enter__(self):
        return self

    def write(self, name, tensor):
        """Append a tensor (any strides, CPU). A dtype that the engine does not read raises ValueError."""
        if name in self._entries:
            raise ValueError(f"tensor `{name}` was written before")
        code = DTYPES.get(str(tensor.dtype))
        if code is None:
            raise ValueError(f"tensor `{name}`: no name for dtype {tensor.dtype}")
        data = raw_bytes(tensor)
        count = data.numel()
        if count:
            self._file.write(memoryview(data.numpy()))
        offsets = [self._end, self._end + count]
        self._entries[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": offsets}
        self._end += count

    def drop(self, name):
        """Forget a tensor that was written; its bytes stay."""
        del self._entries[name]

    def __exit__(self, kind, *rest):
        import os

        if kind is None:
            header = json.dumps(self._entries, separators=(",", ":")).encode()
            if len(header) > self._room:
                raise ValueError(f"header of {self._path} needs {len(header)} bytes; {self._room} were reserved")
            self._file.seek(8)
            self._file.write(header + b" " * (self._room - len(header)))
        self._file.close()
        if kind is not None:
            os.unlink(self._path)


def raw_bytes(tensor):
    """A tensor's bytes in row-major order, as a uint8 tensor of one axis (a view where it lies so already)."""
    import torch

    flat = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    if flat.numel() and flat.stride(0) != 1:  # a tensor of one element may have any stride
        flat = flat.clone(memory_format=torch.contiguous_format).as_strided(flat.shape, (1,))
    return flat.view(torch.uint8)
