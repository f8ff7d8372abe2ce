"""Complex numbers and Fourier transforms: real numbers in and out, complex ones between."""

import itertools

import torch
from tensors import NAN, X, Y, aten, floats, parts

from samples import case

PAIRS, SIGNAL = floats(3, 4, 2), floats(3, 12)
case("aten.view_as_complex.default", lambda x: parts(torch.view_as_complex(x) * 2), PAIRS, second=[floats(5, 2, 2)])
case("aten.view_as_real.default", lambda x: parts(torch.view_as_complex(x)), PAIRS)
case("aten.complex.default", lambda x, y: parts(torch.complex(x, y)), X, Y)
case("aten.polar.default", lambda x, y: parts(torch.polar(x.abs(), y)), X, Y)
case("aten.real.default", lambda x, y: torch.complex(x, y).real, X, Y)
case("aten.real.default", torch.real, X)
case("aten.imag.default", lambda x, y: torch.complex(x, y).imag, X, Y)
case("aten.angle.default", lambda x, y: torch.angle(torch.complex(x, y)), X, Y)
case("aten.angle.default", torch.angle, torch.tensor([1.0, -2.0, NAN, 0.0]))
for name in ("conj", "_conj", "resolve_conj"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(torch.view_as_complex(x)) * 1), PAIRS)
for norm, n in itertools.product((None, "ortho", "forward"), (None, 8, 15)):
    for name in ("fft_fft", "fft_ifft"):
        case(
            f"aten.{name}.default",
            lambda x, f=getattr(aten, name).default, m=norm, k=n: parts(f(x, k, 0, m)),
            floats(12, 3),
        )
    case(
        "aten.fft_rfft.default",
        lambda x, m=norm, k=n: parts(torch.fft.rfft(x, k, -1, m)),
        SIGNAL,
        second=[floats(2, 9)] if n is None else None,
    )
    case(
        "aten.fft_irfft.default",
        lambda x, m=norm, k=n: torch.fft.irfft(torch.view_as_complex(x), k, -1, m),
        floats(3, 7, 2),
    )
for name in ("fft_fftn", "fft_ifftn", "fft_fft2", "fft_ifft2"):
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(x)), X)
    case(f"aten.{name}.default", lambda x, f=getattr(aten, name).default: parts(f(x, [4, 3], [0, 2], "ortho")), X)
FIELD = floats(3, 6, 7)
for norm, sizes in itertools.product((None, "ortho", "forward"), (None, (4, 9))):
    for name in ("rfft2", "rfftn"):
        case(
            f"aten.fft_{name}.default",
            lambda x, f=getattr(aten, f"fft_{name}").default, m=norm, s=sizes: parts(f(x, s, [-2, -1], m)),
            FIELD,
            second=[floats(2, 5, 8)] if sizes is None else None,
        )
    for name in ("irfft2", "irfftn"):
        case(
            f"aten.fft_{name}.default",
            lambda x, f=getattr(aten, f"fft_{name}").default, m=norm, s=sizes: f(
                torch.view_as_complex(x), s, [-2, -1], m
            ),
            floats(3, 6, 5, 2),
        )
for code in (0, 1, 2):
    case("aten._fft_r2c.default", lambda x, c=code: parts(aten._fft_r2c.default(x, [1, 2], c, True)), FIELD)
    case("aten._fft_r2c.default", lambda x, c=code: parts(aten._fft_r2c.default(x, [1, 2], c, False)), FIELD)
    case(
        "aten._fft_c2r.default",
        lambda x, c=code: aten._fft_c2r.default(torch.view_as_complex(x), [1, 2], c, 7),
        floats(3, 6, 4, 2),
    )
    for forward in (True, False):
        case(
            "aten._fft_c2c.default",
            lambda x, c=code, f=forward: parts(aten._fft_c2c.default(torch.view_as_complex(x), [1, 2], c, f)),
            floats(3, 6, 4, 2),
        )
for n in (8, 9, 70):
    for name in ("fftfreq", "rfftfreq"):
        case(
            f"aten.fft_{name}.default",
            lambda x, f=getattr(aten, f"fft_{name}").default, n=n: x + f(n, 0.5),
            floats(1),
        )
