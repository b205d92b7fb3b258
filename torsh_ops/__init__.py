"""A small, fast tensor library for the CPU with PyTorch's API: NumPy storage, Numba kernels, GEMM from OpenBLAS."""

from torsh_ops import autograd, errors, memory, nn, ops, optim
from torsh_ops import gradients as _gradients  # noqa: F401  (imported for what it defines)
from torsh_ops.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from torsh_ops.config import show_config
from torsh_ops.dtypes import bool_ as bool
from torsh_ops.dtypes import dtype, float32, float64, get_default_dtype, int32, int64, set_default_dtype
from torsh_ops.dtypes import float32 as float
from torsh_ops.dtypes import float64 as double
from torsh_ops.dtypes import int32 as int
from torsh_ops.dtypes import int64 as long
from torsh_ops.ops.creation import *  # noqa: F403
from torsh_ops.ops.dispatch import broadcast_shapes, result_type
from torsh_ops.ops.elementwise import *  # noqa: F403
from torsh_ops.ops.index import *  # noqa: F403
from torsh_ops.ops.linalg import *  # noqa: F403
from torsh_ops.ops.norm import *  # noqa: F403
from torsh_ops.ops.random import *  # noqa: F403
from torsh_ops.ops.reduce import *  # noqa: F403
from torsh_ops.tensor import Tensor, device
from torsh_ops.threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "autograd",
    "bool",
    "broadcast_shapes",
    "device",
    "double",
    "dtype",
    "enable_grad",
    "errors",
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
    "long",
    "memory",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "result_type",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "show_config",
]
__all__ += ops.creation.__all__
__all__ += ops.elementwise.__all__
__all__ += ops.index.__all__
__all__ += ops.linalg.__all__
__all__ += ops.norm.__all__
__all__ += ops.random.__all__
__all__ += ops.reduce.__all__
