"""Products of matrices, vectors and batches."""

from numba import njit

from torsh_ops.kernels.call.objects import (
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_FLAGS,
    ARRAY_NDIM,
    ARRAY_SHAPE,
    BATCH_WORK,
    BOTH,
    COUNTED,
    FORMS,
    FORMS_TAKEN,
    IN_COLUMNS,
    IN_ROWS,
    INLINE,
    LEFT,
    MORE_WORK,
    OPERATOR_TABLE,
    POOLED,
    RECORD_AS,
    RIGHT,
    SHARED,
    SHARED_WORK,
    THREADS,
    any_array,
    by_python,
    half,
    intp,
    is_plain,
    kernel_of,
    new_array,
    real_dtype,
    run,
    stack,
    store,
    tensor_of,
    word,
)
from torsh_ops.kernels.call.recording import record_call, wants_grad
from torsh_ops.kernels.gemm import fits_direct


@njit(**INLINE)
def _fits_product(a, b):
    """The form of a product: BOTH of matrices held by rows or columns, LEFT by a vector, RIGHT of batches; or -1."""
    flags, left, right = half(a + ARRAY_FLAGS), half(a + ARRAY_NDIM), half(b + ARRAY_NDIM)
    if left == 2 and flags & (IN_ROWS | IN_COLUMNS) != 0:
        if right == 2 and half(b + ARRAY_FLAGS) & (IN_ROWS | IN_COLUMNS) != 0:
            return BOTH
        return LEFT if right == 1 and is_plain(b) else -1
    if left == 3 and right == 3 and is_plain(a) and is_plain(b):
        return RIGHT if word(word(a + ARRAY_SHAPE)) == word(word(b + ARRAY_SHAPE)) else -1
    return -1


@njit(**INLINE)
def _is_ours(shared, a, b, batch, m, n, k, itemsize):
    """Whether the kernels here are the fastest way, and the work is not to be cut among threads."""
    work, worth = m * n * k, word(shared + 8 * SHARED_WORK)
    if work == 0 or batch * m * n * itemsize >= word(shared + 8 * POOLED):
        return False
    if work < MORE_WORK * worth and batch * work < BATCH_WORK * worth:
        return True
    if word(word(shared + 8 * THREADS)) > 1:
        return False
    return work < MORE_WORK * worth or (is_plain(a) and is_plain(b) and fits_direct(m, n, k, itemsize))


def product(self, args, count, names):
    """`op(a, b)` of two matrices, a matrix and a vector, or two batches of matrices.

    The kernels take `(a, whether it is transposed, b, whether that is, out)`; without the fourth for a vector.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared = word(table + 8 * SHARED)
    if count != 2 or names != 0:
        return by_python(table, args, count, names)
    x, y = word(args), word(args + 8)
    a, b = any_array(shared, x), any_array(shared, y)
    kind = real_dtype(shared, a) if a != 0 and b != 0 and word(a + ARRAY_DTYPE) == word(b + ARRAY_DTYPE) else -1
    form = _fits_product(a, b) if kind >= 0 else -1
    if form < 0 or (word(table + 8 * FORMS_TAKEN) >> form) & 1 == 0:
        return by_python(table, args, count, names)
    first = intp(form == RIGHT)
    batch = word(word(a + ARRAY_SHAPE)) if first else 1
    m, k = word(word(a + ARRAY_SHAPE) + 8 * first), word(word(a + ARRAY_SHAPE) + 8 + 8 * first)
    n = 1 if form == LEFT else word(word(b + ARRAY_SHAPE) + 8 + 8 * first)
    itemsize = 4 + 4 * kind
    if not _is_ours(shared, a, b, batch, m, n, k, itemsize) or k != word(word(b + ARRAY_SHAPE) + 8 * first):
        return by_python(table, args, count, names)
    needs_grad = wants_grad(shared, x) or wants_grad(shared, y)
    record_as = word(table + 8 * (RECORD_AS + form))
    if needs_grad and record_as == 0:
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS + form)
    if kernel == 0:
        return 0
    shape = stack()
    if first:
        store(shape, batch)
    store(shape + 8 * first, m)
    store(shape + 8 + 8 * first, n)
    o = new_array(table, a, half(b + ARRAY_NDIM), shape, 0)
    if o == 0:
        return 0
    left, right, out = word(a + ARRAY_DATA), word(b + ARRAY_DATA), word(o + ARRAY_DATA)
    ta, tb = intp(not is_plain(a)), intp(not is_plain(b))
    if form == BOTH:
        by_rows = (left, k if ta else m, m if ta else k)
        run(kernel, itemsize, (by_rows, ta, (right, n if tb else k, k if tb else n), tb, (out, m, n)))
    elif form == LEFT:
        run(kernel, itemsize, ((left, k if ta else m, m if ta else k), ta, (right, k), (out, m)))
    else:
        run(kernel, itemsize, ((left, batch, m, k), 0, (right, batch, k, n), 0, (out, batch, m, n)))
    result = tensor_of(shared, o)
    if result != 0 and needs_grad:
        return record_call(shared, record_as, result, args, count)
    return result
