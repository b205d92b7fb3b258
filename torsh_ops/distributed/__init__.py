"""Training over several processes: PyTorch's torch.distributed names on MPI.

`torsh_ops.distributed.launch.run` starts the ranks.
"""

from torsh_ops.distributed.communicator import ReduceOp, Traffic
from torsh_ops.distributed.data_parallel import DistributedDataParallel
from torsh_ops.distributed.mpi import MPIMissingError
from torsh_ops.distributed.process_group import (
    ProcessGroupError,
    UnsupportedError,
    all_gather,
    all_reduce,
    barrier,
    broadcast,
    destroy_process_group,
    get_communicator,
    get_rank,
    get_world_size,
    init_process_group,
    is_initialized,
    reduce_scatter,
    traffic,
)

__all__ = [
    "DistributedDataParallel",
    "MPIMissingError",
    "ProcessGroupError",
    "ReduceOp",
    "Traffic",
    "UnsupportedError",
    "all_gather",
    "all_reduce",
    "barrier",
    "broadcast",
    "destroy_process_group",
    "get_communicator",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_initialized",
    "reduce_scatter",
    "traffic",
]
