"""Element-wise operators of one, two and three operands."""

import numpy as np
from numba import njit

from torsh_ops.kernels.call.objects import (
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_NDIM,
    BOOL,
    BOTH,
    BOUNDS,
    CHOICE,
    COUNTED,
    DIMS,
    FILLING,
    FORMS,
    INLINE,
    LEFT,
    MAX,
    MIN,
    NONE,
    NUMBERS,
    OPERATOR_TABLE,
    RECORD_AS,
    RIGHT,
    SHARED,
    SHARED_WORK,
    TUPLE_SIZE,
    any_array,
    by_python,
    ends_with,
    first_element,
    half,
    is_one_number,
    is_plain,
    kernel_of,
    new_like,
    number_of,
    option,
    plain_array,
    real_dtype,
    run,
    same_shape,
    size_of,
    stack,
    store,
    tensor_of,
    word,
)
from torsh_ops.kernels.call.recording import record_call, wants_grad


def unary(self, args, count, names):
    """`op(x)`: the kernel takes x and the result."""
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    if count != 1 or names != 0:
        return by_python(table, args, count, names)
    shared = word(table + 8 * SHARED)
    x = word(args)
    a = plain_array(shared, x)
    kind = real_dtype(shared, a) if a != 0 else -1
    if kind < 0:
        return by_python(table, args, count, names)
    size, itemsize = size_of(a), 4 + 4 * kind
    needs_grad = wants_grad(shared, x)
    if size >= word(shared + 8 * SHARED_WORK) or (needs_grad and word(table + 8 * RECORD_AS) == 0):
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS)
    if kernel == 0:
        return 0
    o = new_like(table, a, size * itemsize)
    if o == 0:
        return 0
    run(kernel, itemsize, ((word(a + ARRAY_DATA), size), (word(o + ARRAY_DATA), size)))
    result = tensor_of(shared, o)
    if result != 0 and needs_grad:
        return record_call(shared, word(table + 8 * RECORD_AS), result, args, count)
    return result


def binary(self, args, count, names):
    """`op(x, y)` of tensors of one dtype, the smaller repeating along leading dimensions, or of one and a number."""
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    if count != 2 or names != 0:
        return by_python(table, args, count, names)
    shared = word(table + 8 * SHARED)
    x, y = word(args), word(args + 8)
    a, b = any_array(shared, x), any_array(shared, y)
    like, number, form, fits = a, 0.0, BOTH, True
    if a != 0 and b != 0:
        swapped = half(a + ARRAY_NDIM) < half(b + ARRAY_NDIM) or (is_one_number(a) and not is_one_number(b))
        if swapped:
            like = b
        other = a if swapped else b
        fits = word(a + ARRAY_DTYPE) == word(b + ARRAY_DTYPE) and is_plain(like) and ends_with(like, other)
        if fits and size_of(other) > 0 and is_one_number(other):
            form, number = RIGHT if swapped else LEFT, first_element(shared, other)
        elif fits:
            fits = is_plain(other)
    elif a == 0 and b == 0:
        return by_python(table, args, count, names)
    else:
        form = LEFT if b == 0 else RIGHT
        like = a if b == 0 else b
        fits, number = number_of(shared, y if b == 0 else x)
        fits = fits and is_plain(like) and word(table + 8 * NUMBERS) != 0
    kind = real_dtype(shared, like) if fits else -1
    size, itemsize = size_of(like), 4 + 4 * kind
    if kind < 0 or size == 0 or size >= word(shared + 8 * SHARED_WORK):
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS + form)
    if kernel == 0:
        return 0
    o = new_like(table, like, size * itemsize)
    if o == 0:
        return 0
    out = word(o + ARRAY_DATA)
    if form == BOTH:
        run(kernel, itemsize, ((word(a + ARRAY_DATA), size_of(a)), (word(b + ARRAY_DATA), size_of(b)), (out, size)))
    elif form == LEFT:
        run(kernel, itemsize, ((word(like + ARRAY_DATA), size), number, (out, size)))
    else:
        run(kernel, itemsize, (number, (word(like + ARRAY_DATA), size), (out, size)))
    result = tensor_of(shared, o)
    if result != 0 and ((a != 0 and wants_grad(shared, x)) or (b != 0 and wants_grad(shared, y))):
        return record_call(shared, word(table + 8 * RECORD_AS), result, args, count)
    return result


@njit(**INLINE)
def _operand(shared, x, like, empty):
    """An operand beside `like`: (whether it is one, its array or 0, its number); None is the number `empty`."""
    if empty != 0.0 and (x == 0 or x == word(shared + 8 * NONE)):
        return True, 0, empty
    if x == 0:
        return False, 0, 0.0
    array = plain_array(shared, x)
    if array == 0:
        fits, number = number_of(shared, x)
        return fits, 0, number
    same = like == 0 or (word(array + ARRAY_DTYPE) == word(like + ARRAY_DTYPE) and same_shape(array, like))
    return same, array, 0.0


def ternary(self, args, count, names):
    """`op(x, y, z)` of tensors of one shape and dtype, of which `y` and `z` may be numbers: `kernel(x, y, z, out)`.

    Where `x` chooses it is bool. Bounds may be missing, and come by name. FILLING is `op(z, x, y)`: `y` where `x`.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared, kind_of_op = word(table + 8 * SHARED), word(table + 8 * DIMS)
    x, y, z = word(args) if count > 0 else 0, 0, 0
    if kind_of_op == BOUNDS:
        y = option(args, count, names, 1, word(shared + 8 * MIN))
        z = option(args, count, names, 2, word(shared + 8 * MAX))
        given = count + (word(names + TUPLE_SIZE) if names != 0 else 0)
        a = plain_array(shared, x) if 0 < count <= 3 and given == 1 + (y != 0) + (z != 0) else 0
        none = (y == 0 or y == word(shared + 8 * NONE)) and (z == 0 or z == word(shared + 8 * NONE))
        a = 0 if none else a
    else:
        a = plain_array(shared, x) if count == 3 and names == 0 else 0
        if a != 0 and kind_of_op == FILLING:
            x, y, z = word(args + 8), word(args + 16), x
            a = plain_array(shared, x)
        elif a != 0:
            y, z = word(args + 8), word(args + 16)
    if a == 0:
        return by_python(table, args, count, names)
    chooses = kind_of_op == CHOICE or kind_of_op == FILLING
    infinity = np.inf if kind_of_op == BOUNDS else 0.0
    fits, b, low = _operand(shared, y, 0 if chooses else a, -infinity)
    also, c, high = _operand(shared, z, b if chooses else a, infinity)
    like = a
    if chooses:
        like = b if b != 0 else c
        fits = fits and like != 0 and word(a + ARRAY_DTYPE) == word(shared + 8 * BOOL) and same_shape(a, like)
    kind = real_dtype(shared, like) if fits and also else -1
    size, itemsize = size_of(a), 4 + 4 * kind
    needs_grad = wants_grad(shared, x) or (b != 0 and wants_grad(shared, y)) or (c != 0 and wants_grad(shared, z))
    form = (b == 0) + 2 * (c == 0)
    taken = form & ~word(table + 8 * NUMBERS) == 0 and not (needs_grad and word(table + 8 * RECORD_AS) == 0)
    if kind < 0 or not taken or size == 0 or size >= word(shared + 8 * SHARED_WORK):
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS + form)
    if kernel == 0:
        return 0
    o = new_like(table, like, size * itemsize)
    if o == 0:
        return 0
    xs, out = (word(a + ARRAY_DATA), size), (word(o + ARRAY_DATA), size)
    if form == 0:
        run(kernel, itemsize, (xs, (word(b + ARRAY_DATA), size), (word(c + ARRAY_DATA), size), out))
    elif form == 1:
        run(kernel, itemsize, (xs, low, (word(c + ARRAY_DATA), size), out))
    elif form == 2:
        run(kernel, itemsize, (xs, (word(b + ARRAY_DATA), size), high, out))
    else:
        run(kernel, itemsize, (xs, low, high, out))
    result = tensor_of(shared, o)
    if result != 0 and needs_grad:
        operands = stack()
        store(operands, x)
        store(operands + 8, y if y != 0 else word(shared + 8 * NONE))
        store(operands + 16, z if z != 0 else word(shared + 8 * NONE))
        return record_call(shared, word(table + 8 * RECORD_AS), result, operands, 3)
    return result
