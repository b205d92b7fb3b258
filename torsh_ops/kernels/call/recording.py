"""The tape, from compiled code: what `torsh_ops.autograd.record` does, in a tenth of the time."""

from typing import Any

from numba import njit, types

from torsh_ops.kernels.call.objects import (
    CLOCK,
    FALSE,
    INLINE,
    NODE,
    NODE_ARGS,
    NODE_CHANGED,
    NODE_OP,
    NODE_ORDER,
    NODE_PREVIOUS,
    NODE_RESULT,
    NONE,
    RECORD,
    RECORDING,
    SLOT_ARRAY,
    SLOT_BASE,
    SLOT_GRAD,
    SLOT_NODE,
    TRUE,
    alloc,
    as_index,
    clear_error,
    decref,
    incref,
    intp,
    is_tensor,
    real_dtype,
    stack,
    store,
    tuple_new,
    tuple_set,
    vectorcall,
    word,
)

_context_get = types.ExternalFunction("PyContextVar_Get", types.int32(intp, intp, intp))
_next = types.ExternalFunction("PyIter_Next", intp(intp))
_CALLED: dict[str, Any] = {**INLINE, "forceinline": False}


@njit(**INLINE)
def _is_on(shared):
    """Whether what is done here is recorded."""
    room = stack()
    if _context_get(word(shared + 8 * RECORDING), 0, room) != 0:
        clear_error()
        return True
    recording = word(room)
    decref(recording)
    return recording != word(shared + 8 * FALSE)


@njit(**INLINE)
def wants_grad(shared, tensor):
    """Whether what is done to a tensor is to be recorded."""
    return word(tensor + word(shared + 8 * SLOT_GRAD)) != word(shared + 8 * FALSE) and _is_on(shared)


@njit(**INLINE)
def _is_behind(shared, tensor):
    """Whether `tensor` is a recorded view whose base was changed in place since."""
    none = word(shared + 8 * NONE)
    node, base = word(tensor + word(shared + 8 * SLOT_NODE)), word(tensor + word(shared + 8 * SLOT_BASE))
    if node == none or base == none:
        return False
    of_base, order = word(base + word(shared + 8 * SLOT_NODE)), word(shared + 8 * NODE_ORDER)
    return of_base != none and as_index(word(of_base + order)) > as_index(word(node + order))


@njit(**INLINE)
def _put(owner, at, value):
    """Fill an empty slot of an object."""
    incref(value)
    store(owner + at, value)


@njit(**INLINE)
def _replace(owner, at, value):
    """Put something else, whose reference goes with it, into a slot."""
    before = word(owner + at)
    store(owner + at, value)
    decref(before)


@njit(**INLINE)
def _new_node(shared, op, operands, array):
    """A node of the tape, now; 0 with an error set."""
    node = alloc(word(shared + 8 * NODE), 0)
    if node == 0:
        return 0
    order = _next(word(shared + 8 * CLOCK))
    if order == 0:
        decref(node)
        return 0
    store(node + word(shared + 8 * NODE_ORDER), order)
    _put(node, word(shared + 8 * NODE_OP), op)
    _put(node, word(shared + 8 * NODE_ARGS), operands)
    _put(node, word(shared + 8 * NODE_RESULT), array)
    _put(node, word(shared + 8 * NODE_CHANGED), word(shared + 8 * FALSE))
    _put(node, word(shared + 8 * NODE_PREVIOUS), word(shared + 8 * NONE))
    return node


@njit(**_CALLED)
def _recorded(shared, op, result, operands, count):
    """Whether `result = op(*operands)` is on the tape now, by Python where that must look; else an error is set."""
    by_hand = real_dtype(shared, word(result + word(shared + 8 * SLOT_ARRAY))) < 0
    for i in range(count):
        x = word(operands + 8 * i)
        by_hand = by_hand or (is_tensor(shared, x) and _is_behind(shared, x))
    many = tuple_new(count)
    if many == 0:
        return False
    for i in range(count):
        value = word(operands + 8 * i)
        incref(value)
        tuple_set(many, i, value)
    if by_hand:
        room = stack()
        store(room, op)
        store(room + 8, result)
        store(room + 16, many)
        made = vectorcall(word(shared + 8 * RECORD), room, 3, 0)
    else:
        made = _new_node(shared, op, many, word(result + word(shared + 8 * SLOT_ARRAY)))
        if made != 0:
            incref(made)
            _replace(result, word(shared + 8 * SLOT_NODE), made)
            incref(word(shared + 8 * TRUE))
            _replace(result, word(shared + 8 * SLOT_GRAD), word(shared + 8 * TRUE))
    decref(many)
    if made == 0:
        return False
    decref(made)
    return True


@njit(**INLINE)
def record_call(shared, op, result, args, count):
    """Put `result = op(*args)`, of which an argument `wants_grad`, on the tape; `result`, or 0 with an error set."""
    if _recorded(shared, op, result, args, count):
        return result
    decref(result)
    return 0
