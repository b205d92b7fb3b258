"""Data-parallel training: the same module on every rank, its gradients averaged over the ranks."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from torsh_ops.autograd import is_grad_enabled
from torsh_ops.distributed.communicator import ReduceOp
from torsh_ops.distributed.process_group import get_communicator
from torsh_ops.errors import ArgumentError, DTypeError, GradError, ShapeError
from torsh_ops.memory import empty
from torsh_ops.nn import Module
from torsh_ops.tensor import Tensor

Named = tuple[str, Tensor]


class DistributedDataParallel(Module):
    """`module` on every rank of the process group, started from rank 0's parameters and buffers.

    Each rank computes on its own part of the batch; `backward()` ends by averaging the gradients over the ranks. With
    parts of equal size and a loss that is a mean, every rank then holds the gradients of the whole batch. Gradients
    travel in buckets of `bucket_cap_mb` MiB, the last parameter first.

    Raises ArgumentError, ShapeError or DTypeError, on every rank, when the ranks' modules differ, and GradError at the
    next forward when a backward reached some parameters and not others: every one must take part in the loss.
    """

    def __init__(self, module: Module, bucket_cap_mb: float = 4) -> None:
        super().__init__()
        if bucket_cap_mb <= 0:
            raise ArgumentError(f"bucket_cap_mb must be above 0, but got {bucket_cap_mb}")
        self.module = module
        self._group = get_communicator()
        state = [*module.named_parameters(), *module.named_buffers()]
        check_same([(name, tensor.shape, str(tensor.dtype)) for name, tensor in state])
        self._take_from_rank_0(tensor for _, tensor in state)
        trained = [(name, tensor) for name, tensor in module.named_parameters() if tensor.requires_grad]
        self._trained = {id(parameter): name for name, parameter in trained}
        self._awaited = set(self._trained)
        for _, parameter in trained:
            parameter.register_post_accumulate_grad_hook(self._arrive)
        self._buckets = list(buckets(reversed(trained), int(bucket_cap_mb * 2**20)))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module; while gradients are recorded, its buffers are set to rank 0's first, as in PyTorch."""
        if is_grad_enabled():
            if len(self._awaited) < len(self._trained):
                missing = ", ".join(self._trained[i] for i in self._trained if i in self._awaited)
                raise GradError(f"the last backward() gave no gradient to {missing}: the loss must depend on it")
            self._take_from_rank_0(self.module.buffers())
        return self.module(*args, **kwargs)

    def _take_from_rank_0(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            self._group.broadcast(tensor._array, src=0)
            tensor._bump()

    def _arrive(self, parameter: Tensor) -> None:
        self._awaited.discard(id(parameter))
        if not self._awaited:
            self._awaited = set(self._trained)
            self._average_gradients()

    def _average_gradients(self) -> None:
        """Replace every parameter's gradient by its mean over the ranks, in place; the same bits on every rank."""
        for bucket in self._buckets:
            gradients = [parameter.grad for _, parameter in bucket if parameter.grad is not None]
            # From the pool: fresh pages for every bucket of every step would be faulted in again.
            flat = empty((sum(g.numel() for g in gradients),), gradients[0]._array.dtype)
            np.concatenate([gradient._array.ravel() for gradient in gradients], out=flat)
            self._group.all_reduce(flat, ReduceOp.AVG)
            end = 0
            for gradient in gradients:
                start, end = end, end + gradient.numel()
                gradient._array[...] = flat[start:end].reshape(gradient.shape)
                gradient._bump()


def buckets(parameters: Iterable[Named], cap: int) -> Iterator[list[Named]]:
    """Group neighbours of one dtype into lists of at most `cap` bytes; a larger parameter is a list of its own."""
    bucket: list[Named] = []
    nbytes = 0
    for name, parameter in parameters:
        if bucket and (nbytes + parameter.nbytes > cap or parameter.dtype != bucket[0][1].dtype):
            yield bucket
            bucket, nbytes = [], 0
        bucket.append((name, parameter))
        nbytes += parameter.nbytes
    if bucket:
        yield bucket


def check_same(tensors: list[tuple[str, tuple[int, ...], str]]) -> None:
    """Raise, on every rank alike, when the ranks' lists of (name, shape, dtype) differ; the first difference."""
    first, *others = get_communicator().all_gather_object(tensors)
    for rank, other in enumerate(others, start=1):
        for (name, shape, dtype), (its_name, its_shape, its_dtype) in zip(first, other, strict=False):
            if name != its_name:
                raise ArgumentError(f"the modules differ: rank 0 has {name} where rank {rank} has {its_name}")
            if shape != its_shape:
                raise ShapeError(f"{name} has shape {shape} on rank 0 and {its_shape} on rank {rank}")
            if dtype != its_dtype:
                raise DTypeError(f"{name} is {dtype} on rank 0 and {its_dtype} on rank {rank}")
        if len(first) != len(other):
            raise ArgumentError(
                f"the modules differ: rank 0 has {len(first)} parameters and buffers, rank {rank} {len(other)}"
            )
