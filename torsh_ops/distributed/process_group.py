"""PyTorch's torch.distributed names over MPI, for the one group of all ranks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops.distributed.communicator import Communicator, ReduceOp, Traffic
from torsh_ops.distributed.mpi import load_mpi
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError, TorshError
from torsh_ops.tensor import Tensor


class ProcessGroupError(TorshError, ValueError):
    """The process group is missing, there already, or other than asked for."""


class UnsupportedError(TorshError, NotImplementedError):
    """An option of PyTorch's that this backend does not have."""


_group: Communicator | None = None


def init_process_group(backend: str | None = None, *, world_size: int = -1, rank: int = -1) -> None:
    """Join the group of all ranks that mpiexec (or `launch.run`) started; `backend` is "mpi".

    `world_size` and `rank` are checked when given, as MPI knows both. Raises ProcessGroupError when the group
    is there already or MPI's size or rank is another, MPIMissingError when mpi4py or its library is missing.
    """
    global _group
    if backend not in (None, "mpi"):
        raise ArgumentError(f"backend {backend!r} does not exist: use 'mpi'")
    if _group is not None:
        raise ProcessGroupError("the process group is there already: call destroy_process_group() first")
    world = load_mpi().COMM_WORLD
    for name, asked, found in (("world_size", world_size, world.size), ("rank", rank, world.rank)):
        if asked not in (-1, found):
            raise ProcessGroupError(f"{name}={asked} was asked for, but MPI has {name}={found}")
    _group = Communicator(world.Dup())


def destroy_process_group() -> None:
    """Leave the group; raises ProcessGroupError when there is none."""
    global _group
    get_communicator().close()
    _group = None


def is_initialized() -> bool:
    """Whether init_process_group has been called."""
    return _group is not None


def get_communicator() -> Communicator:
    """Return the group's communicator over NumPy arrays; raises ProcessGroupError when there is no group."""
    if _group is None:
        raise ProcessGroupError("the process group is not initialized: call init_process_group() first")
    return _group


def get_rank() -> int:
    """Return the rank of this process, from 0."""
    return get_communicator().rank


def get_world_size() -> int:
    """Return the number of ranks."""
    return get_communicator().size


def traffic() -> Traffic:
    """What this rank has sent since init_process_group; see `Traffic` for what is counted."""
    return get_communicator().traffic()


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: None = None, async_op: bool = False) -> None:
    """Reduce `tensor` over all ranks, in place; every rank gets the same bits.

    Shape and dtype must be the same on every rank. Raises DTypeError for bool, and for AVG of integers.
    """
    _only_defaults(group, async_op)
    get_communicator().all_reduce(_written(tensor), op)


def broadcast(tensor: Tensor, src: int, group: None = None, async_op: bool = False) -> None:
    """Copy `tensor` of rank `src` into `tensor` of every rank, in place."""
    _only_defaults(group, async_op)
    get_communicator().broadcast(_written(tensor), src)


def all_gather(tensor_list: Sequence[Tensor], tensor: Tensor, group: None = None, async_op: bool = False) -> None:
    """Copy rank r's `tensor` into tensor_list[r], on every rank."""
    _only_defaults(group, async_op)
    _check_blocks("all_gather", tensor_list, tensor)
    for output, block in zip(tensor_list, get_communicator().all_gather(tensor._array), strict=True):
        _written(output)[...] = block


def reduce_scatter(
    output: Tensor,
    input_list: Sequence[Tensor],
    op: ReduceOp = ReduceOp.SUM,
    group: None = None,
    async_op: bool = False,
) -> None:
    """Reduce input_list[r] over all ranks into `output` of rank r."""
    _only_defaults(group, async_op)
    _check_blocks("reduce_scatter", input_list, output)
    blocks = np.stack([tensor._array for tensor in input_list])
    _written(output)[...] = get_communicator().reduce_scatter(blocks, op)


def barrier(group: None = None, async_op: bool = False) -> None:
    """Return once every rank has entered."""
    _only_defaults(group, async_op)
    get_communicator().barrier()


def _written(tensor: Tensor) -> np.ndarray:
    """Give the array of a tensor that is about to change, and let the tape know."""
    tensor._bump()
    return tensor._array


def _only_defaults(group: Any, async_op: bool) -> None:
    if group is not None:
        raise UnsupportedError(f"group={group!r} is not supported: group=None, all ranks, is the only one")
    if async_op:
        raise UnsupportedError("async_op=True is not supported: call it with async_op=False")


def _check_blocks(name: str, blocks: Sequence[Tensor], one: Tensor) -> None:
    if len(blocks) != get_world_size():
        raise ArgumentError(f"{name} needs one tensor a rank: got {len(blocks)} for {get_world_size()} ranks")
    for i, block in enumerate(blocks):
        if block.shape != one.shape:
            raise ShapeError(f"{name}: tensor {i} of the list is {block.shape}, the other {one.shape}")
        if block.dtype != one.dtype:
            raise DTypeError(f"{name}: tensor {i} of the list is {block.dtype}, the other {one.dtype}")
