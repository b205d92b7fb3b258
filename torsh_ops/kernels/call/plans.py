"""Operators by plan: what a call does is worked out once for arguments of one kind, then done again without Python.

What tells calls apart is their note: the shape, dtype and layout of every tensor, and the value of all else. A plan
says which arrays to make, which kernels to call with which words, and what to return; `torsh_ops.ops.plan` makes it
and keeps it under its note.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from torsh_ops.kernels import team
from torsh_ops.kernels.call.objects import (
    ALLOCATE,
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_FLAGS,
    ARRAY_NDIM,
    ARRAY_SHAPE,
    ARRAY_STRIDES,
    COUNTED,
    ELLIPSIS,
    FALSE,
    FETCH,
    FLOAT,
    FLOAT_VALUE,
    FROM_ROWS,
    INLINE,
    INT,
    LIST,
    LIST_ITEMS,
    MAX_NDIM,
    METHOD,
    NDARRAY,
    NEW_ARRAY,
    NONE,
    OB_TYPE,
    OPERATOR_TABLE,
    RECORD_AS,
    SET_BASE,
    SHARED,
    SLICE,
    SLICE_STEP,
    STR,
    TENSOR,
    TRUE,
    TUPLE,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    alloc,
    any_array,
    array_at,
    as_index,
    by_python,
    clear_error,
    decref,
    error,
    half,
    incref,
    intp,
    is_plain,
    long_from,
    new_in,
    set_root,
    store,
    tensor_of,
    vectorcall,
    view_of,
    word,
)
from torsh_ops.kernels.call.recording import record_call, wants_grad

# The note, in words: how many words tell the call apart, how many tensors it has, whether one wants a gradient, the
# arrays of the tensors, those that the plan makes, and the words.
_LENGTH, _TENSORS, _GRAD, ARRAYS, MADE = 0, 1, 2, 3, 19
WORDS = MADE + 8
MOST_TENSORS, MOST_MADE, MOST_WORDS = MADE - ARRAYS, WORDS - MADE, 120
# What one argument adds at most.
_ONE = 3 + 2 * MAX_NDIM
# Kinds of arguments in a note.
_NUMBER, _REAL, _ITSELF, _PART, _TENSOR, _MANY = range(1, 7)
_UNKNOWN = -1 << 32

# A plan, in words: its note's hash and length, whether it only says that there is none, how many arrays it makes and
# where their description starts, the same of its calls, what it returns (0: the one tensor it makes, else the class of
# a tuple of the first ones), how many, and how many arguments a recorded call has (0: none is).
(
    HASH, LENGTH, REFUSED, MAKES, MAKES_AT, CALLS, CALLS_AT, RETURNS, RETURNED, RECORDED, LARGE, PLAN_WORDS,
) = range(12)  # fmt: skip
# An array to make: dtype, dimensions, bytes when they come from the pool, the tuple of its shape, which tensor it is
# a view of (-1: none), bytes from its start, shape, strides.
DTYPE, NDIM, POOLED_BYTES, SHAPE_TUPLE, VIEWED, OFFSET, SHAPE = range(7)
STRIDES = SHAPE + MAX_NDIM
ARRAY_WORDS = STRIDES + MAX_NDIM
# A kernel to call: what it returns, whether it has few words, these in a mailbox (see `team`), how many of them are
# addresses of arrays, and of each of those: place, array, offset.
FOUND, FEW, MAILBOX = range(3)
PATCHES = MAILBOX + team.WORDS
# What it returns: nothing; -1 where all went well; from COUNT on, of the array made in that place, how much of its
# first dimension there is, or -1.
NOTHING, WELL, COUNT = range(3)
# The plans of an operator: sets of a few that share a hash, then what was asked of each set and not found, and the plan
# found last, whose note is compared before there is a hash (15 ns).
SETS, WAYS = 32, 4
ASKED = SETS * WAYS
LAST = ASKED + SETS
PLANS_SIZE = LAST + 1

_save_thread = types.ExternalFunction("PyEval_SaveThread", intp())
_restore_thread = types.ExternalFunction("PyEval_RestoreThread", types.void(intp))
_CALLED: dict[str, Any] = {**INLINE, "forceinline": False}


@intrinsic
def _room(typingctx: Any) -> Any:
    """The address of 160 words that live until the function returns, at a line of memory."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.IntType(64), size=160)
        room.align = 64
        return builder.ptrtoint(room, ir.IntType(64))

    return intp(), codegen


@njit(**INLINE)
def _add(note, at, value):
    """Add a word to the note, which has `at`; how many it has then."""
    store(note + 8 * (WORDS + at), value)
    return at + 1


@njit(**INLINE)
def _add_end(shared, note, at, end):
    """Add an end of a slice: None or an int."""
    if end == word(shared + 8 * NONE):
        return _add(note, _add(note, at, 0), 0)
    if word(end + OB_TYPE) != word(shared + 8 * INT):
        return _UNKNOWN
    return _add(note, _add(note, at, 1), as_index(end))


@njit(**_CALLED)
def _add_other(shared, note, at, x, kind):
    """Add an argument that is no tensor; 0 when it is of no known kind."""
    if kind == word(shared + 8 * INT):
        return _add(note, _add(note, at, _NUMBER), as_index(x))
    if kind == word(shared + 8 * FLOAT):
        return _add(note, _add(note, at, _REAL), word(x + FLOAT_VALUE))
    itself = x == word(shared + 8 * NONE) or x == word(shared + 8 * TRUE) or x == word(shared + 8 * FALSE)
    if itself or x == word(shared + 8 * ELLIPSIS) or kind == word(shared + 8 * STR):
        return _add(note, _add(note, at, _ITSELF), x)
    if kind == word(shared + 8 * SLICE):
        at = _add_end(shared, note, _add(note, at, _PART), word(x + SLICE_STEP - 16))
        for i in range(2):
            at = _add_end(shared, note, at, word(x + SLICE_STEP - 8 + 8 * i)) if at > 0 else at
        return at
    return 0


@njit(**_CALLED)
def _add_argument(shared, note, at, x):
    """Add what tells one argument from others; far below 0 when it is of no known kind."""
    if at > MOST_WORDS - _ONE:
        return _UNKNOWN
    kind = word(x + OB_TYPE)
    if kind != word(shared + 8 * TENSOR):
        ended = _add_other(shared, note, at, x, kind)
        if ended != 0:
            return ended
    array, tensors = any_array(shared, x), word(note + 8 * _TENSORS)
    if array == 0 or tensors == MOST_TENSORS or half(array + ARRAY_NDIM) > MAX_NDIM:
        return _UNKNOWN
    store(note + 8 * (ARRAYS + tensors), array)
    store(note + 8 * _TENSORS, tensors + 1)
    if wants_grad(shared, x):
        store(note + 8 * _GRAD, 1)
    ndim = half(array + ARRAY_NDIM)
    # The flags tell layouts apart, and memory that must not be written.
    at = _add(note, at, _TENSOR + 8 * ndim + 1024 * half(array + ARRAY_FLAGS))
    at = _add(note, at, word(array + ARRAY_DTYPE))
    for d in range(ndim):
        at = _add(note, at, word(word(array + ARRAY_SHAPE) + 8 * d))
    if not is_plain(array):
        for d in range(ndim):
            at = _add(note, at, word(word(array + ARRAY_STRIDES) + 8 * d))
    return at


@njit(**INLINE)
def _write_note(shared, note, args, count, names):
    """Write the note of a call; whether all its arguments are of known kinds."""
    store(note + 8 * _TENSORS, 0)
    store(note + 8 * _GRAD, 0)
    at = _add(note, 0, count)
    given = word(names + TUPLE_SIZE) if names != 0 else 0
    for i in range(count + given):
        x = word(args + 8 * i)
        if i >= count:
            at = _add(note, at, word(names + TUPLE_ITEMS + 8 * (i - count)))
        kind = word(x + OB_TYPE)
        if kind == word(shared + 8 * TUPLE) or kind == word(shared + 8 * LIST):
            in_list = kind == word(shared + 8 * LIST)
            items = word(x + LIST_ITEMS) if in_list else x + TUPLE_ITEMS
            at = _add(note, _add(note, at, _MANY + 8 * intp(in_list)), word(x + TUPLE_SIZE))
            for j in range(word(x + TUPLE_SIZE)):
                at = _add_argument(shared, note, at, word(items + 8 * j)) if at > 0 else at
        else:
            at = _add_argument(shared, note, at, x)
        if at < 0:
            break
    store(note, at)
    if error() != 0:  # an int that fits no word
        clear_error()
        return False
    return at > 0


@njit(**INLINE)
def _mixed(note):
    """The note's hash: products that do not wait for one another."""
    total = 0
    for i in range(word(note)):
        total += (word(note + 8 * (WORDS + i)) >> 4) * (0x9E3779B1 + 0x85EBCA6A * i) + word(note + 8 * (WORDS + i))
    return total ^ (total >> 29)


@njit(**INLINE)
def _is_of(plan, note):
    """Whether there is a plan and it is kept under a note."""
    if plan == 0:
        return False
    data = word(plan + ARRAY_DATA)
    if word(data + 8 * LENGTH) != word(note):
        return False
    different = 0
    for i in range(word(note)):
        different |= word(data + 8 * (PLAN_WORDS + i)) ^ word(note + 8 * (WORDS + i))
    return different == 0


@njit(**INLINE)
def _find(plans, note, mixed):
    """The plan kept under a note of a hash, or 0."""
    for way in range(WAYS):
        plan = word(plans + 8 * ((mixed & (SETS - 1)) * WAYS + way))
        if plan != 0 and word(word(plan + ARRAY_DATA) + 8 * HASH) == mixed and _is_of(plan, note):
            store(plans + 8 * LAST, plan)
            return plan
    return 0


@njit(**_CALLED)
def _have_made(table, note, mixed, args, count, names):
    """Have a plan made, a reference to which is the caller's: NumPy's array, None, or 0 with an error set."""
    given = word(names + TUPLE_SIZE) if names != 0 else 0
    room = _room()
    first, second = long_from(note), long_from(mixed)
    store(room, first)
    store(room + 8, second)
    for i in range(count + given):
        store(room + 8 * (2 + i), word(args + 8 * i))
    made = vectorcall(word(table + 8 * FETCH), room, count + 2, names)
    decref(first)
    decref(second)
    return made


@njit(**INLINE)
def _make_array(shared, note, at):
    """An array as a plan describes it, or 0 with an error set."""
    dtype, viewed = word(at + 8 * DTYPE), word(at + 8 * VIEWED)
    if viewed >= 0:
        base = word(note + 8 * (ARRAYS + viewed))
        incref(dtype)
        start = word(base + ARRAY_DATA) + word(at + 8 * OFFSET)
        new = word(shared + 8 * NEW_ARRAY)
        flags = half(base + ARRAY_FLAGS)
        array = array_at(
            new, word(shared + 8 * NDARRAY), dtype, word(at + 8 * NDIM), at + 8 * SHAPE, at + 8 * STRIDES, start, flags
        )
        if array != 0:
            incref(base)
            view_of(word(shared + 8 * SET_BASE), array, base)
        return array
    if word(at + 8 * POOLED_BYTES) == 0:
        return new_in(shared, dtype, word(at + 8 * NDIM), at + 8 * SHAPE)
    room = _room()
    store(room, word(at + 8 * SHAPE_TUPLE))
    store(room + 8, dtype)
    return vectorcall(word(shared + 8 * ALLOCATE), room, 2, 0)


@njit(**INLINE)
def _call(mailbox, patches, note, few):
    """Call the kernel in a mailbox with the addresses of this call's arrays; what it returns."""
    for i in range(word(patches)):
        patch = patches + 8 + 24 * i
        start = word(word(note + 8 * (ARRAYS + word(patch + 8))) + ARRAY_DATA) + word(patch + 16)
        store(mailbox + team.WHOLE + 8 * word(patch), start)
    return team.call_few(mailbox) if few else team.call(mailbox)


@njit(**INLINE)
def _call_alone(mailbox, patches, note):
    """The same without Python's lock, and so in a mailbox of its own."""
    own = _room()
    for i in range(team.WORDS):
        store(own + 8 * i, word(mailbox + 8 * i))
    thread = _save_thread()
    found = _call(own, patches, note, False)
    _restore_thread(thread)
    return found


@njit(**INLINE)
def _call_kernels(data, note):
    """Call the kernels of a plan; whether all went well."""
    at = data + 8 * word(data + 8 * CALLS_AT)
    for _ in range(word(data + 8 * CALLS)):
        mailbox, patches = at + 8 * MAILBOX, at + 8 * PATCHES
        if word(data + 8 * LARGE) != 0:
            found = _call_alone(mailbox, patches, note)
        else:
            found = _call(mailbox, patches, note, word(at + 8 * FEW) != 0)
        expected = word(at + 8 * FOUND)
        if expected == WELL and found != -1:
            return False
        if expected >= COUNT:
            if found < 0:
                return False
            store(word(word(note + 8 * (MADE + expected - COUNT)) + ARRAY_SHAPE), found)
        at = patches + 8 + 24 * word(patches)
    return True


@njit(**INLINE)
def _returned(shared, data, note, args):
    """What a plan returns of the arrays it made, whose references go with it; 0 with an error set."""
    makes, returned, failed = word(data + 8 * MAKES), word(data + 8 * RETURNED), False
    made = note + 8 * MADE
    at = data + 8 * word(data + 8 * MAKES_AT)
    for i in range(makes):
        array = word(made + 8 * i)
        if i >= returned or failed:
            decref(array)
            continue
        tensor = tensor_of(shared, array)
        if tensor != 0 and word(at + 8 * (i * ARRAY_WORDS + VIEWED)) >= 0:
            set_root(shared, tensor, word(args))
        store(made + 8 * i, tensor)
        failed = tensor == 0
    kind = word(data + 8 * RETURNS)
    if kind == 0 and not failed:
        return word(made)
    result = alloc(kind, returned) if not failed else 0
    for i in range(returned):
        if result != 0:
            store(result + TUPLE_ITEMS + 8 * i, word(made + 8 * i))
        elif word(made + 8 * i) != 0:
            decref(word(made + 8 * i))
    return result


@njit(**INLINE)
def _carry_out(table, plan, note, args, count, names):
    """Do what a plan says; by Python what it does not cover."""
    shared, data = word(table + 8 * SHARED), word(plan + ARRAY_DATA)
    grad = word(note + 8 * _GRAD)
    recorded = names == 0 and count == word(data + 8 * RECORDED)
    if word(data + 8 * REFUSED) != 0 or (grad != 0 and not recorded):
        return by_python(table, args, count, names)
    makes = word(data + 8 * MAKES)
    for i in range(makes):
        array = _make_array(shared, note, data + 8 * (word(data + 8 * MAKES_AT) + i * ARRAY_WORDS))
        store(note + 8 * (MADE + i), array)
        if array == 0:
            for j in range(i):
                decref(word(note + 8 * (MADE + j)))
            return 0
    if not _call_kernels(data, note):
        for i in range(makes):
            decref(word(note + 8 * (MADE + i)))
        return by_python(table, args, count, names)
    result = _returned(shared, data, note, args)
    if result != 0 and grad != 0:
        return record_call(shared, word(table + 8 * RECORD_AS), result, args, count)
    return result


def planned(self, args, count, names):
    """Any operator of tensors, numbers and tuples of them, by a plan; by Python where there is none."""
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared, plans = word(table + 8 * SHARED), word(table + 8 * METHOD)
    note = _room()
    if word(table + 8 * FROM_ROWS) != 0 and count == 1 and names == 0:
        x = word(args)
        a = any_array(shared, x)
        if a != 0 and is_plain(a):
            incref(x)
            return x
    if count == 0 or count + (word(names + TUPLE_SIZE) if names != 0 else 0) > MOST_TENSORS:
        return by_python(table, args, count, names)
    if not _write_note(shared, note, args, count, names):
        return by_python(table, args, count, names)
    plan, mixed = word(plans + 8 * LAST), 0
    if not _is_of(plan, note):
        mixed = _mixed(note)
        plan = _find(plans, note, mixed)
    if plan == 0:
        # Only what is asked for twice in a row gets a plan: making one costs as much as fifty calls.
        asked = plans + 8 * (ASKED + (mixed & (SETS - 1)))
        if word(asked) != mixed:
            store(asked, mixed)
            return by_python(table, args, count, names)
        plan = _have_made(table, note, mixed, args, count, names)
        if plan == 0:
            return 0
        if plan == word(shared + 8 * NONE):
            decref(plan)
            return by_python(table, args, count, names)
    else:
        incref(plan)
    result = _carry_out(table, plan, note, args, count, names)
    decref(plan)
    return result
