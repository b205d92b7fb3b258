"""The one place where every framework is held to one thread, or a few, and to the machine's real instruction set."""

import ctypes
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

# What each library reads when it is loaded; asv.conf.json sets the same for its environments.
# NUMBA_NUM_THREADS is not here: it is a ceiling that nothing could raise again, and torsh_ops uses one thread
# unless told otherwise.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # XLA sizes its pools from this. The flag xla_cpu_multi_thread_eigen=false leaves jax 0.10 at 1.8 seconds
    # of CPU time a second in a matmul; NPROC=1 brings it to 1.0.
    "NPROC": "1",
    # TensorFlow's greeting on stderr.
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

# Each makes a library choose other kernels than the best for this processor.
CRIPPLING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "NPY_DISABLE_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_DISABLE_JIT",
    "NUMBA_OPT",
)


# One operation at a time, however many threads it may use; and no number of threads.
_NOT_COUNTS = ("TF_NUM_INTEROP_THREADS", "TF_CPP_MIN_LOG_LEVEL")

# The threads that each framework is held to now; set by `hold`.
held = 1


def hold(count: int = 1, *packages: str) -> None:
    """Hold this process to `count` threads, with every framework in it (or those of `packages`) and every later one.

    Sets ENVIRONMENT and clears CRIPPLING in os.environ, then tells each framework already imported through its own
    call. Importing `benchmarks` does it, with one thread; a crippling variable that NumPy has read before can only be
    warned about. TensorFlow and JAX keep to what they were told before they first computed.
    """
    global held
    held = count
    read = [name for name in CRIPPLING if os.environ.pop(name, "") != "" and "numpy" in sys.modules]
    if read:
        warnings.warn(
            f"{', '.join(read)} was set when NumPy was loaded and may slow it: unset it and start again",
            RuntimeWarning,
            stacklevel=2,
        )
    os.environ.update(ENVIRONMENT)
    os.environ.update({name: str(count) for name in ENVIRONMENT if name not in _NOT_COUNTS})
    for package in packages or _HOLDS:
        if package in sys.modules and package in _HOLDS:
            _HOLDS[package](sys.modules[package], count)


def _hold_numpy(numpy: ModuleType, count: int) -> None:
    # NumPy has no call for this: its wheels carry an OpenBLAS of their own, which reads its variable once.
    for library in Path(numpy.__file__ or "").parent.parent.glob("numpy.libs/libscipy_openblas*"):
        getattr(ctypes.CDLL(str(library)), "scipy_openblas_set_num_threads64_", lambda n: None)(count)


def _hold_tensorflow(tensorflow: ModuleType, count: int) -> None:
    threading = tensorflow.config.threading
    # Setting them again raises once TensorFlow has computed anything; reading does not.
    if threading.get_intra_op_parallelism_threads() != count:
        threading.set_intra_op_parallelism_threads(count)
    if threading.get_inter_op_parallelism_threads() != 1:
        threading.set_inter_op_parallelism_threads(1)


def _hold_torch(torch: ModuleType, count: int) -> None:
    # torsh_ops has the same call. A commit of it without one, or a torch that broke while loading, has no
    # threads.
    getattr(torch, "set_num_threads", lambda n: None)(count)


# JAX has no call: it reads NPROC when its first array is made.
_HOLDS = {
    "numpy": _hold_numpy,
    "torch": _hold_torch,
    "tensorflow": _hold_tensorflow,
    "torsh_ops": _hold_torch,
}
