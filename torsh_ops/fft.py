"""Discrete Fourier transforms, as `torch.fft`: see `torsh_ops.ops.fft`."""

from torsh_ops.ops.fft import *  # noqa: F403
from torsh_ops.ops.fft import __all__ as __all__
