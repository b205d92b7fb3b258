"""A small, fast tensor library for the CPU with PyTorch's API: NumPy storage, Numba kernels, GEMM from OpenBLAS."""

from torsh_ops import autograd, errors, fft, linalg, memory, nn, ops, optim, random, special
from torsh_ops import gradients as _gradients  # noqa: F401  (imported for what it defines)
from torsh_ops.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from torsh_ops.config import show_config
from torsh_ops.dtypes import bool_ as bool
from torsh_ops.dtypes import (
    complex64,
    complex128,
    dtype,
    float32,
    float64,
    get_default_dtype,
    int32,
    int64,
    set_default_dtype,
)
from torsh_ops.dtypes import complex64 as cfloat
from torsh_ops.dtypes import complex128 as cdouble
from torsh_ops.dtypes import float32 as float
from torsh_ops.dtypes import float64 as double
from torsh_ops.dtypes import int32 as int
from torsh_ops.dtypes import int64 as long
from torsh_ops.ops.activation import *  # noqa: F403
from torsh_ops.ops.arrange import *  # noqa: F403
from torsh_ops.ops.channel_norm import *  # noqa: F403
from torsh_ops.ops.classic import *  # noqa: F403
from torsh_ops.ops.complex import *  # noqa: F403
from torsh_ops.ops.conv import *  # noqa: F403
from torsh_ops.ops.conv_nd import *  # noqa: F403
from torsh_ops.ops.creation import *  # noqa: F403
from torsh_ops.ops.dispatch import broadcast_shapes, result_type
from torsh_ops.ops.distance import *  # noqa: F403
from torsh_ops.ops.distributions import *  # noqa: F403
from torsh_ops.ops.einsum import *  # noqa: F403
from torsh_ops.ops.elementwise import *  # noqa: F403
from torsh_ops.ops.extreme import *  # noqa: F403
from torsh_ops.ops.index import *  # noqa: F403
from torsh_ops.ops.interpolate import *  # noqa: F403
from torsh_ops.ops.joining import *  # noqa: F403
from torsh_ops.ops.linalg import *  # noqa: F403
from torsh_ops.ops.losses import *  # noqa: F403
from torsh_ops.ops.norm import *  # noqa: F403
from torsh_ops.ops.pairwise import *  # noqa: F403
from torsh_ops.ops.pointwise import *  # noqa: F403
from torsh_ops.ops.pool import *  # noqa: F403
from torsh_ops.ops.pool_nd import *  # noqa: F403
from torsh_ops.ops.products import *  # noqa: F403
from torsh_ops.ops.put import *  # noqa: F403
from torsh_ops.ops.quantile import *  # noqa: F403
from torsh_ops.ops.random import *  # noqa: F403
from torsh_ops.ops.reduce import *  # noqa: F403
from torsh_ops.ops.scan import *  # noqa: F403
from torsh_ops.ops.scatter import *  # noqa: F403
from torsh_ops.ops.search import *  # noqa: F403
from torsh_ops.ops.signal import *  # noqa: F403
from torsh_ops.ops.sort import *  # noqa: F403
from torsh_ops.ops.special import *  # noqa: F403
from torsh_ops.ops.spectrogram import *  # noqa: F403
from torsh_ops.ops.splitting import *  # noqa: F403
from torsh_ops.ops.statistics import *  # noqa: F403
from torsh_ops.ops.tapers import *  # noqa: F403
from torsh_ops.ops.ternary import *  # noqa: F403
from torsh_ops.ops.views import *  # noqa: F403
from torsh_ops.tensor import Tensor, device
from torsh_ops.threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "autograd",
    "bool",
    "broadcast_shapes",
    "cdouble",
    "cfloat",
    "complex64",
    "complex128",
    "device",
    "double",
    "dtype",
    "enable_grad",
    "errors",
    "fft",
    "float",
    "float32",
    "float64",
    "get_default_dtype",
    "get_num_threads",
    "inference_mode",
    "int",
    "int32",
    "int64",
    "is_grad_enabled",
    "linalg",
    "long",
    "memory",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "random",
    "result_type",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "show_config",
    "special",
]
__all__ += ops.activation.__all__
__all__ += ops.arrange.__all__
__all__ += ops.classic.__all__
__all__ += ops.channel_norm.__all__
__all__ += ops.complex.__all__
__all__ += ops.conv.__all__
__all__ += ops.conv_nd.__all__
__all__ += ops.creation.__all__
__all__ += ops.distance.__all__
__all__ += ops.einsum.__all__
__all__ += ops.elementwise.__all__
__all__ += ops.extreme.__all__
__all__ += ops.index.__all__
__all__ += ops.interpolate.__all__
__all__ += ops.joining.__all__
__all__ += ops.linalg.__all__
__all__ += ops.losses.__all__
__all__ += ops.norm.__all__
__all__ += ops.pairwise.__all__
__all__ += ops.pointwise.__all__
__all__ += ops.pool.__all__
__all__ += ops.pool_nd.__all__
__all__ += ops.products.__all__
__all__ += ops.put.__all__
__all__ += ops.quantile.__all__
__all__ += ops.random.__all__
__all__ += ops.distributions.__all__
__all__ += ops.reduce.__all__
__all__ += ops.search.__all__
__all__ += ops.signal.__all__
__all__ += ops.scan.__all__
__all__ += ops.scatter.__all__
__all__ += ops.sort.__all__
__all__ += ops.special.__all__
__all__ += ops.spectrogram.__all__
__all__ += ops.splitting.__all__
__all__ += ops.statistics.__all__
__all__ += ops.tapers.__all__
__all__ += ops.ternary.__all__
__all__ += ops.views.__all__
