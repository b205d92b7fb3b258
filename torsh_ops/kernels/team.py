"""What the threads of the pool run: a worker looks into its mailbox for a kernel to call, without Python's lock.

Waking a thread that sleeps takes 50 us on a virtual machine, and so does every turn of Python's lock between two
threads. So a worker spins for a while before it sleeps, and calls a kernel as compiled code does, by address. Its
state and the kernel's arguments are words of one array, the mailbox, whose address stands for it here.
"""

import platform
from typing import Any

import llvmlite.ir as ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from torsh_ops.kernels.vector import SERIAL

# What a mailbox says to its worker (KERNEL; CALL and LEAVE are for the worker's Python function), and of it.
IDLE, KERNEL, CALL, LEAVE, ASLEEP = range(5)

# Places in a mailbox, in bytes; what the worker writes and what the caller writes lie on lines of their own.
_STATE, _BUSY, ADDRESS, WHOLE, REAL = 0, 64, 128, 192, 704
WHOLES, FEW_WHOLES, REALS = 62, 27, 8
WORDS = 96

# A third of a millisecond here: longer than the gap between two operators of a model.
SPINS = 20_000

_I64, _DOUBLE = ir.IntType(64), ir.DoubleType()
# An instruction that lets the core's other thread, or the clock, have what a spinning loop would take.
_PAUSE = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.hint", (ir.IntType(32)(1),))}
_yield = types.ExternalFunction("sched_yield", types.int32())


def _at(builder: Any, address: Any, kind: Any = _I64) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def _load(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_at(builder, args[0]), "acquire", 8)

    return types.int64(types.intp), codegen


@intrinsic
def _exchange(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word; what it was before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("xchg", _at(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.intp, types.int64), codegen


@intrinsic
def _replace(typingctx: Any, address: Any, old: Any, new: Any) -> Any:
    """Write `new` where `old` is; whether it was."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.cmpxchg(_at(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.intp, types.int64, types.int64), codegen


@intrinsic
def _pause(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name, operands = _PAUSE.get(platform.machine(), ("", ()))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), operands)
        return context.get_dummy_value()

    return types.void(), codegen


def _unowned(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return an array without what counts its references: that lives as long as the call that was given the array."""
    if not isinstance(kind, types.Array):
        return value
    array = arrayobj.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    return array._getvalue()


@intrinsic
def _pack(typingctx: Any, mailbox: Any, args: Any) -> Any:
    """Write a kernel's arguments as Numba passes them: addresses and integers, and real numbers."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        mailbox, given = values
        pairs = zip(args.types, cgutils.unpack_tuple(builder, given), strict=True)
        operands = [_unowned(context, builder, kind, value) for kind, value in pairs]
        flat = context.get_arg_packer(args.types).as_arguments(builder, operands)
        wholes = reals = 0
        for value in flat:
            if isinstance(value.type, (ir.DoubleType, ir.FloatType)):
                place, reals = REAL + 8 * reals, reals + 1
            else:
                place, wholes = WHOLE + 8 * wholes, wholes + 1
            address = builder.add(mailbox, _I64(place))
            builder.store(value, _at(builder, address, value.type))
        if wholes > WHOLES or reals > REALS:
            raise NotImplementedError(f"a kernel of {wholes} words and {reals} real numbers")
        return context.get_dummy_value()

    return types.void(types.intp, args), codegen


def _caller(words: int, numbers: int) -> Any:
    """Make ``call(mailbox)``: the kernel in a mailbox, with as many words and real numbers as there may be."""

    def typed(typingctx: Any, mailbox: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def word(place: int, kind: Any) -> Any:
                return builder.load(_at(builder, builder.add(args[0], _I64(place)), kind))

            kind = ir.FunctionType(ir.IntType(32), [_I64] * (2 + words) + [_DOUBLE] * numbers)
            result = cgutils.alloca_once(builder, _I64, size=8)
            room = builder.ptrtoint(result, _I64)  # for the result and for an error, which no kernel has
            wholes = [word(WHOLE + 8 * i, _I64) for i in range(words)]
            reals = [word(REAL + 8 * i, _DOUBLE) for i in range(numbers)]
            function = builder.inttoptr(word(ADDRESS, _I64), kind.as_pointer())
            builder.call(function, [room, room, *wholes, *reals])
            return builder.load(result)

        return types.int64(types.intp), codegen

    return intrinsic(typed)


# They return the word that the kernel returns, if it returns one. On x86-64 and AArch64 integers and real numbers are
# passed independently, what is beyond the registers on the stack, and the caller takes it down: a function that looks
# at fewer of them does not mind. Most kernels have few: what is passed in vain costs 15 ns.
call, call_few = _caller(WHOLES, REALS), _caller(FEW_WHOLES, REALS)


@intrinsic
def _write(typingctx: Any, address: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], _at(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), codegen


def address_of(kernel: Any, signature: tuple[Any, ...]) -> int:
    """Return where the machine code of a kernel for arguments of these types is; compile, or load, it first."""
    kernel.compile(signature)
    compiled = kernel.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@njit(**SERIAL)
def post_kernel(mailbox, address, *args):
    """Have the worker run ``kernel(*args)`` by the kernel's address; whether it sleeps and must be woken."""
    _pack(mailbox, args)
    _write(mailbox + ADDRESS, address)
    _exchange(mailbox + _BUSY, 1)
    return _exchange(mailbox + _STATE, KERNEL) == ASLEEP


@njit(**SERIAL)
def post(mailbox, message):
    """Send CALL or LEAVE; whether the worker sleeps and must be woken."""
    _exchange(mailbox + _BUSY, 1)
    return _exchange(mailbox + _STATE, message) == ASLEEP


@njit(**SERIAL)
def done(mailbox):
    """Say that the worker has done what it was sent."""
    _exchange(mailbox + _STATE, IDLE)
    _exchange(mailbox + _BUSY, 0)


@njit(**SERIAL)
def serve(mailbox, spins):
    """Run kernels as they are sent; return what else is sent, or ASLEEP when nothing came for `spins` rounds."""
    while True:
        state = _load(mailbox + _STATE)
        rounds = 0
        while state == IDLE and rounds < spins:
            _pause()
            rounds += 1
            state = _load(mailbox + _STATE)
        if state == IDLE:
            if _replace(mailbox + _STATE, IDLE, ASLEEP):
                return ASLEEP
            state = _load(mailbox + _STATE)
        if state != KERNEL:
            return state
        call(mailbox)
        _exchange(mailbox + _STATE, IDLE)
        _exchange(mailbox + _BUSY, 0)


@njit(**SERIAL)
def wait(mailbox, spins):
    """Wait until the worker has done what it was sent, and return True; False when it takes long.

    After `spins` rounds others get the core in between, a thousand times.
    """
    rounds = 0
    while _load(mailbox + _BUSY) != 0:
        if rounds < spins:
            _pause()
        elif rounds < spins + 1000:
            _yield()
        else:
            return False
        rounds += 1
    return True
