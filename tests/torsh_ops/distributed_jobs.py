"""What the ranks of test_distributed.py run; a module of its own, so that they load no pytest."""

import itertools
import os
import threading

import numpy as np

import torsh_ops
from torsh_ops import distributed, nn
from torsh_ops.distributed import DistributedDataParallel, ReduceOp
from torsh_ops.distributed.mpi import load_mpi
from torsh_ops.tensor import Tensor


def who_and_where(label):
    distributed.init_process_group("mpi")
    rank = distributed.get_rank()
    print(f"rank {rank} speaks")
    return label, rank, distributed.get_world_size(), sorted(os.sched_getaffinity(0)), os.getpid()


def raise_on_rank_1():
    distributed.init_process_group()
    if distributed.get_rank() == 1:
        raise ZeroDivisionError("no divisor on this rank")
    distributed.barrier()


def wait_for_a_barrier_that_rank_1_never_enters(folder):
    distributed.init_process_group()
    (folder / str(distributed.get_rank())).write_text(str(os.getpid()))
    if distributed.get_rank() == 0:
        distributed.barrier()
    else:
        threading.Event().wait()


def finish_on_rank_1_alone():
    distributed.init_process_group()
    if distributed.get_rank() == 0:
        distributed.barrier()


def get_signal_on_rank_1(number):
    distributed.init_process_group()
    distributed.barrier()
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), number)
    distributed.barrier()


def exit_on_rank_1(status):
    distributed.init_process_group()
    if distributed.get_rank() == 1:
        os._exit(status)
    distributed.barrier()


def keep_a_lock():
    return threading.Lock()


def rank_values(shape, dtype, rank):
    """Values that any process can make again: what rank `rank` contributes."""
    draws = np.random.default_rng(rank).normal(size=shape) * 1000
    return np.array(draws, dtype)


def all_reduce(cases):
    """Reduce each case (shape, dtype, op): case to the result, the tensor's version and the traffic."""
    distributed.init_process_group()
    results = {}
    for shape, dtype, op in cases:
        tensor = Tensor(rank_values(shape, dtype, distributed.get_rank()))
        before = distributed.traffic()
        distributed.all_reduce(tensor, ReduceOp[op])
        results[shape, dtype, op] = tensor.numpy(), tensor.version, distributed.traffic() - before
    return results


def all_reduce_views():
    """Reduce a transpose and every second element; return them and the elements between."""
    distributed.init_process_group()
    matrix = rank_values((6, 4), "float32", distributed.get_rank())
    distributed.all_reduce(Tensor(matrix.T))
    row = rank_values((9,), "float32", distributed.get_rank())
    distributed.all_reduce(Tensor(row[::2]))
    return matrix, row


def move_all(dtypes):
    distributed.init_process_group()
    return {dtype: move(dtype) for dtype in dtypes}


def move(dtype):
    """Broadcast, all_gather and reduce_scatter, with the traffic of each."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    own = rank_values((3, 5), dtype, rank)
    sent = [Tensor(own.copy())]
    steps = [distributed.traffic()]
    distributed.broadcast(sent[0], src=1)
    steps.append(distributed.traffic())
    gathered = [Tensor(np.empty((3, 5), dtype)) for _ in range(size)]
    distributed.all_gather(gathered, Tensor(own))
    steps.append(distributed.traffic())
    reduced = Tensor(np.empty((3, 5), "float64"))
    blocks = [Tensor(rank_values((3, 5), "float64", 10 * rank + r)) for r in range(size)]
    distributed.reduce_scatter(reduced, blocks, ReduceOp.AVG)
    steps.append(distributed.traffic())
    traffic = [(after - before).bytes_sent for before, after in itertools.pairwise(steps)]
    return sent[0].numpy(), [g.numpy() for g in gathered], reduced.numpy(), traffic


def loopback_bytes():
    for line in open("/proc/net/dev"):
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[8])
    raise RuntimeError("/proc/net/dev names no interface lo")


def count_bytes_on_the_wire(nbytes, calls):
    """What this rank counts, and what the kernel counts on the loopback over all ranks, meanwhile."""
    distributed.init_process_group()
    tensor = Tensor(np.ones(nbytes // 4, np.float32))
    distributed.all_reduce(tensor, ReduceOp.AVG)
    distributed.barrier()
    counted, carried = distributed.traffic(), loopback_bytes()
    distributed.barrier()  # nobody sends before this rank has read the counter
    for _ in range(calls):
        distributed.all_reduce(tensor, ReduceOp.AVG)
    distributed.barrier()
    counted = distributed.traffic() - counted
    return counted.bytes_sent, loopback_bytes() - carried, load_mpi().Get_library_version()


def misuse():
    """Return the error of each wrong call, by name."""
    errors = {}

    def attempt(name, call):
        try:
            call()
        except Exception as error:
            errors[name] = error

    tensor, other = Tensor(np.ones(3, np.float32)), Tensor(np.ones(4, np.float32))
    attempt("no group", distributed.get_rank)
    attempt("no group to destroy", distributed.destroy_process_group)
    attempt("wrong size", lambda: distributed.init_process_group(world_size=64))
    attempt("wrong backend", lambda: distributed.init_process_group("nccl"))
    distributed.init_process_group("mpi", world_size=2)
    attempt("group twice", distributed.init_process_group)
    attempt("bool", lambda: distributed.all_reduce(Tensor(np.ones(3, np.bool_))))
    attempt("mean of integers", lambda: distributed.all_reduce(Tensor(np.ones(3, np.int32)), ReduceOp.AVG))
    attempt("unknown op", lambda: distributed.all_reduce(tensor, "sum"))
    attempt("no such rank", lambda: distributed.broadcast(tensor, src=2))
    attempt("too few", lambda: distributed.all_gather([tensor], tensor))
    attempt("shapes", lambda: distributed.all_gather([tensor, other], tensor))
    attempt("dtypes", lambda: distributed.reduce_scatter(tensor, [tensor, Tensor(np.ones(3))]))
    attempt("group", lambda: distributed.all_reduce(tensor, group="half"))
    attempt("async", lambda: distributed.barrier(async_op=True))
    distributed.destroy_process_group()
    return errors, distributed.is_initialized()


# Data parallel

BATCH, INPUTS, OUTPUTS = 8, 6, 3


def batch():
    """The whole batch, float64: the rounding of float32 would hide small faults."""
    draws = np.random.default_rng(7)
    return draws.normal(size=(BATCH, INPUTS)), draws.normal(size=(BATCH, OUTPUTS))


def network(seed, hidden=5):
    """Two layers of float64, drawn from `seed`."""
    torsh_ops.manual_seed(seed)
    return nn.Sequential(nn.Linear(INPUTS, hidden), nn.Tanh(), nn.Linear(hidden, OUTPUTS)).double()


def loss_of(module, x, y):
    return torsh_ops.mean((module(torsh_ops.tensor(x)) - torsh_ops.tensor(y)) ** 2)


def descend(module, rate=0.1):
    """One step of gradient descent; the gradients are dropped."""
    with torsh_ops.no_grad():
        for parameter in module.parameters():
            parameter.sub_(parameter.grad * rate)
            parameter.grad = None


def state(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def gradients(module):
    return {name: p.grad.numpy().copy() for name, p in module.named_parameters()}


def train(steps, bucket_cap_mb):
    """Train on this rank's part of the batch: parameters at the start, gradients of step one, end, traffic a step."""
    distributed.init_process_group()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    module = network(seed=rank)
    parallel = DistributedDataParallel(module, bucket_cap_mb)
    x, y = (part[rank * BATCH // size : (rank + 1) * BATCH // size] for part in batch())
    start, first, before = state(module), None, distributed.traffic()
    for _ in range(steps):
        loss_of(parallel, x, y).backward()
        first = first or gradients(module)
        descend(module)
    spent = distributed.traffic() - before
    return start, first, state(module), (spent.calls / steps, spent.bytes_sent / steps)


class Counting(nn.Module):
    """Keeps the sum of all that went through it."""

    def __init__(self, start):
        super().__init__()
        self.scale = nn.Parameter(torsh_ops.ones(1))
        self.register_buffer("total", torsh_ops.tensor([start]))

    def forward(self, x):
        with torsh_ops.no_grad():
            self.total.add_(x.sum())
        return x * self.scale


def count():
    """Totals at the start, after two recorded calls and after one that is not; rank r counts in steps of 10^r."""
    distributed.init_process_group()
    rank = distributed.get_rank()
    module = Counting(start=0.5 + rank)
    parallel = DistributedDataParallel(module)
    totals = [module.total.item()]
    x = torsh_ops.tensor([10.0**rank])
    parallel(x)
    totals.append(module.total.item())
    parallel(x)
    totals.append(module.total.item())
    with torsh_ops.no_grad():
        parallel(x)
    totals.append(module.total.item())
    return totals


def wrap_modules_that_differ():
    """Return the error of each kind of difference between the two ranks."""
    distributed.init_process_group()
    rank = distributed.get_rank()
    modules = {
        "shape": network(0, hidden=5 + rank),
        "dtype": network(0) if rank else network(0).float(),
        "name": nn.Sequential(nn.Linear(2, 2)) if rank else nn.Linear(2, 2),
        "number": nn.Sequential(*[nn.Linear(2, 2) for _ in range(1 + rank)]),
    }
    errors = {}
    for how, module in modules.items():
        try:
            DistributedDataParallel(module)
        except Exception as error:
            errors[how] = error
    return errors


def backward_that_misses_a_parameter():
    distributed.init_process_group()
    parallel = DistributedDataParallel(network(0))
    x = torsh_ops.ones(4, INPUTS, dtype=torsh_ops.float64)
    parallel.module[0](x).sum().backward()
    parallel(x)
