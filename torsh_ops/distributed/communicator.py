"""Collectives over NumPy arrays on MPI, with every byte counted where it is handed over."""

import enum
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torsh_ops.distributed.mpi import load_mpi
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError

# mpich allocates a buffer as large as the message, in fresh pages at every call: 64 MiB of float32 over two
# ranks took 56 ms whole and 32 ms in pieces of 1 to 4 MiB.
PIECE_BYTES = 4 * 2**20


class ReduceOp(enum.Enum):
    """How the values of the ranks become one; AVG is the sum over the number of ranks, for floats only."""

    SUM = "SUM"
    AVG = "AVG"
    PRODUCT = "PROD"
    MIN = "MIN"
    MAX = "MAX"


@dataclass
class Traffic:
    """What one rank has sent: collective calls, bytes of payload, and seconds spent inside the calls.

    Bytes are those that this rank sends under these algorithms, for S bytes on n ranks. All-reduce as
    reduce-scatter and all-gather: S + (n - 2) x this rank's block, so 2(n - 1)S over all ranks. All-gather,
    reduce-scatter: n - 1 blocks. Broadcast along a binomial tree: S to each child. Barrier: none.
    MPI may choose another algorithm; headers are not counted.
    """

    calls: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(self.calls - earlier.calls, self.bytes_sent - earlier.bytes_sent, self.seconds - earlier.seconds)


class Communicator:
    """The ranks of one MPI communicator, for arrays of torsh_ops's dtypes; bool can be moved, not reduced."""

    def __init__(self, comm: Any) -> None:
        mpi = load_mpi()
        self._comm = comm
        self._in_place = mpi.IN_PLACE
        self._operations = {op: mpi.SUM if op is ReduceOp.AVG else getattr(mpi, op.value) for op in ReduceOp}
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self._traffic = Traffic()

    def traffic(self) -> Traffic:
        """Return the counts so far; subtract two of them for what lies between."""
        return replace(self._traffic)

    def all_reduce(self, array: np.ndarray, op: ReduceOp = ReduceOp.SUM) -> None:
        """Reduce `array` over all ranks in place; every rank gets the same bits.

        Raises DTypeError for a bool array and for AVG of integers.
        """
        operation = self._operation(op, array.dtype)
        start = time.perf_counter()
        flat = _flat(array)
        step = PIECE_BYTES // flat.itemsize
        for first in range(0, flat.size, step):
            self._comm.Allreduce(self._in_place, flat[first : first + step], operation)
        if op is ReduceOp.AVG:
            flat /= self.size
        _put_back(flat, array)
        self._count(start, self._all_reduce_elements(flat.size, step) * flat.itemsize)

    def broadcast(self, array: np.ndarray, src: int) -> None:
        """Copy `array` of rank `src` into the same array of every rank."""
        if not 0 <= src < self.size:
            raise ArgumentError(f"rank {src} does not exist: the group has ranks 0 to {self.size - 1}")
        start = time.perf_counter()
        flat = _flat(array)
        self._comm.Bcast(flat, src)
        _put_back(flat, array)
        self._count(start, _tree_children((self.rank - src) % self.size, self.size) * array.nbytes)

    def all_gather(self, array: np.ndarray) -> np.ndarray:
        """Return every rank's `array`, stacked by rank: shape (size, *array.shape)."""
        start = time.perf_counter()
        gathered = np.empty((self.size, *array.shape), array.dtype)
        self._comm.Allgather(_flat(array), gathered)
        self._count(start, (self.size - 1) * array.nbytes)
        return gathered

    def reduce_scatter(self, array: np.ndarray, op: ReduceOp = ReduceOp.SUM) -> np.ndarray:
        """Reduce `array` of shape (size, *block) over all ranks; rank r gets block r."""
        if array.ndim == 0 or array.shape[0] != self.size:
            raise ShapeError(f"reduce_scatter needs {self.size} blocks, one a rank, but got shape {array.shape}")
        operation = self._operation(op, array.dtype)
        start = time.perf_counter()
        block = np.empty(array.shape[1:], array.dtype)
        self._comm.Reduce_scatter_block(_flat(array), block, operation)
        if op is ReduceOp.AVG:
            block /= self.size
        self._count(start, (self.size - 1) * block.nbytes)
        return block

    def barrier(self) -> None:
        """Return once every rank has entered."""
        start = time.perf_counter()
        self._comm.Barrier()
        self._count(start, 0)

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return every rank's `value`, by rank; pickled, and not counted as traffic."""
        return self._comm.allgather(value)

    def close(self) -> None:
        """Give the MPI communicator back."""
        self._comm.Free()

    def _operation(self, op: ReduceOp, dtype: np.dtype) -> Any:
        operation = self._operations.get(op)
        if operation is None:
            raise ArgumentError(f"unknown reduction {op!r}: use one of {', '.join(map(str, ReduceOp))}")
        if dtype.kind == "b":
            raise DTypeError(f"{op} does not take bool: convert the tensor to int32 first")
        if op is ReduceOp.AVG and dtype.kind != "f":
            raise DTypeError(f"{op} does not take {dtype}: use ReduceOp.SUM and divide")
        return operation

    def _all_reduce_elements(self, elements: int, step: int) -> int:
        """Elements that this rank sends when it reduces `elements` in pieces of `step`."""
        sent = 0
        for first in range(0, elements if self.size > 1 else 0, step):
            piece = min(step, elements - first)
            own = piece * (self.rank + 1) // self.size - piece * self.rank // self.size
            sent += piece + (self.size - 2) * own
        return sent

    def _count(self, start: float, nbytes: int) -> None:
        self._traffic.calls += 1
        self._traffic.bytes_sent += nbytes
        self._traffic.seconds += time.perf_counter() - start


def _flat(array: np.ndarray) -> np.ndarray:
    """Give the elements in one contiguous row: a view where they lie so, or else a copy."""
    return array.ravel()


def _put_back(flat: np.ndarray, array: np.ndarray) -> None:
    """Write what happened to `flat` into `array`, unless it is a view of it."""
    if not array.flags.c_contiguous:
        array[...] = flat.reshape(array.shape)


def _tree_children(position: int, size: int) -> int:
    """Count whom `position` passes on to in a binomial tree: position + 2^k, for each 2^k > position."""
    return sum(position + (1 << k) < size for k in range(position.bit_length(), size.bit_length()))
