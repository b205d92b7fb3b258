"""Writing at chosen places, beside PyTorch and NumPy."""

import numpy as np
import pytest
from oracle import LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import DimError, DTypeError, GradError, OperandError, ShapeError

# name -> arguments after the tensor, written for either library: `of` makes its tensor of an array.
ROWS = [[0, 2, 1, 1], [3, 3, 0, 2]]
SOURCE = np.arange(1, 21, dtype="float32").reshape(4, 5) / 4
CALLS = {
    "scatter": lambda of: (0, of(ROWS), of(SOURCE)),
    "scatter_value": lambda of: ("scatter", 1, of(ROWS), 2.5),
    "scatter_last": lambda of: ("scatter", -1, of([[4, 0], [1, 2], [3, 3]]), of(SOURCE * 0 + 7)),
    "scatter_add_by": lambda of: ("scatter", 0, of(ROWS), of(SOURCE)),
    "scatter_add": lambda of: (0, of(ROWS), of(SOURCE)),
    "scatter_add_last": lambda of: ("scatter_add", 1, of([[4, 0, 4], [1, 1, 1]]), of(SOURCE)),
    "scatter_add_nothing": lambda of: ("scatter_add", 1, of(np.zeros((4, 0), "int64")), of(SOURCE)),
    "index_add": lambda of: (0, of([1, 3, 1, 1]), of(SOURCE)),
    "index_add_last": lambda of: ("index_add", 1, of([4, 0]), of(SOURCE[:, :2])),
    "index_copy": lambda of: (0, of([1, 3]), of(SOURCE[:2])),
    "index_copy_last": lambda of: ("index_copy", -1, of([1, 3]), of(SOURCE[:, :2])),
    "index_fill": lambda of: (1, of([4, 0]), -1.5),
    "index_fill_tensor": lambda of: ("index_fill", 0, of([2]), of(np.float32(3))),
    "index_put": lambda of: ((of([0, 2]), of([1, 1])), of(np.float32([5, 6]))),
    "index_put_adds": lambda of: ("index_put", (of([0, 0]), of([1, 1])), of(np.float32([5, 6])), True),
    "index_put_rows": lambda of: ("index_put", (of([3, 0]),), of(np.float32([5]))),
    "index_put_mask": lambda of: ("index_put", (of([True, False, True, False]),), of(SOURCE[0])),
    "put": lambda of: (of([[0, -1], [7, 3]]), of(SOURCE[:2, :2])),
    "put_adds": lambda of: ("put", of([3, 3, 3]), of(SOURCE[0, :3]), True),
    "masked_fill": lambda of: (of(SOURCE > 2), -3),
    "masked_fill_broadcast": lambda of: ("masked_fill", of([True, False, True, False, True]), 0.5),
    "masked_fill_tensor": lambda of: ("masked_fill", of(SOURCE > 2), of(np.float32(2))),
    "masked_scatter": lambda of: (of(SOURCE > 2), of(SOURCE)),
}  # fmt: skip
CALLS |= {
    f"scatter_reduce_{reduce}{'' if own else '_without_self'}": lambda of, reduce=reduce, own=own: (
        "scatter_reduce", 0, of(ROWS), of(SOURCE), reduce, {"include_self": own},
    )
    for reduce in ("sum", "prod", "mean", "amax", "amin")
    for own in (True, False)
}  # fmt: skip


def run(name, x, of, in_place=False):
    """Call what CALLS describes on `x`."""
    arguments = CALLS[name](of)
    method = arguments[0] if isinstance(arguments[0], str) else name
    arguments = arguments[1:] if isinstance(arguments[0], str) else arguments
    words = arguments[-1] if isinstance(arguments[-1], dict) else {}
    words = {"reduce": "add"} if name == "scatter_add_by" else words
    if isinstance(arguments[-1], dict):
        arguments = arguments[:-1]
    if method == "put" and not in_place and not isinstance(x, torsh_ops.Tensor):
        return torch.put(x, *arguments)
    return getattr(x, method + "_" * in_place)(*arguments, **words)


def ours_of(value):
    return torsh_ops.from_numpy(np.array(value))


def theirs_of(value):
    return torch.from_numpy(np.array(value))


@needs_torch
@pytest.mark.filterwarnings("ignore:The reduce argument of torch.scatter")
@pytest.mark.parametrize("name", CALLS)
def test_matches_torch(name):
    array = arrays(np.random.default_rng(1), (4, 5), "float32")
    expected = run(name, torch.from_numpy(array.copy()), theirs_of)
    for layout in ("contiguous", "transposed", "negative"):
        given = LAYOUTS[layout](array.copy())
        x = torsh_ops.from_numpy(given)
        assert_same(run(name, x, ours_of), expected)
        np.testing.assert_array_equal(given, array)
        assert run(name, x, ours_of, in_place=True) is x
        assert_same(x, expected)
        assert x.version == 1


@needs_torch
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_other_dtypes_match_torch(dtype):
    array = arrays(np.random.default_rng(2), (4, 5), dtype)

    def cast(of):
        return lambda value: of(np.array(value, dtype) if np.array(value).dtype == np.float32 else value)

    for name in ("scatter", "scatter_add", "index_add", "index_copy", "put_adds", "masked_scatter", "scatter_value"):
        if name == "scatter_value" and dtype == "int64":
            continue
        ours, theirs = torsh_ops.from_numpy(array.copy()), torch.from_numpy(array.copy())
        assert_same(run(name, ours, cast(ours_of)), run(name, theirs, cast(theirs_of)))
    for reduce in ("mean", "amax", "prod"):
        name = f"scatter_reduce_{reduce}"
        ours, theirs = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
        assert_same(run(name, ours, cast(ours_of)), run(name, theirs, cast(theirs_of)))


def test_values_match_numpy():
    """Without PyTorch: the same writes one element at a time."""
    rng = np.random.default_rng(3)
    array, index, source = (
        arrays(rng, (6, 40), "float32"), rng.integers(0, 6, (5, 40)), arrays(rng, (5, 40), "float32"),
    )  # fmt: skip
    x, i, s = (torsh_ops.from_numpy(a) for a in (array, index, source))
    added, put, highest = array.copy(), array.copy(), array.copy()
    for r, c in np.ndindex(index.shape):
        added[index[r, c], c] += source[r, c]
        put[index[r, c], c] = source[r, c]
        highest[index[r, c], c] = max(highest[index[r, c], c], source[r, c])
    np.testing.assert_allclose(x.scatter_add(0, i, s).numpy(), added, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(x.scatter(0, i, s).numpy(), put)
    np.testing.assert_array_equal(x.scatter_reduce(0, i, s, "amax").numpy(), highest)
    rows = rng.integers(0, 6, 5)
    added, copied = array.copy(), array.copy()
    for r, row in enumerate(rows):
        added[row] += 2 * source[r]
        copied[row] = source[r]
    np.testing.assert_allclose(x.index_add(0, torsh_ops.from_numpy(rows), s, alpha=2).numpy(), added, rtol=1e-6)
    np.testing.assert_array_equal(x.index_copy(0, torsh_ops.from_numpy(rows), s).numpy(), copied)
    mask = array > 0.3
    np.testing.assert_array_equal(x.masked_fill(x > 0.3, 9.0).numpy(), np.where(mask, 9, array))
    np.testing.assert_array_equal(x.masked_fill(x[0] > 0.3, 9.0).numpy(), np.where(mask[0], 9, array))


def test_nan_and_infinity_stay():
    x = torsh_ops.tensor([1.0, float("nan"), float("inf"), -0.0])
    filled = x.masked_fill(torsh_ops.tensor([True, False, False, False]), float("-inf"))
    assert repr(filled.tolist()) == "[-inf, nan, inf, -0.0]"
    index, source = torsh_ops.tensor([0, 0, 3]), torsh_ops.tensor([2.0, float("nan"), 5.0])
    assert repr(x.scatter_reduce(0, index, source, "amax").tolist()) == "[nan, nan, inf, 5.0]"


def test_in_place_on_overlapping_memory_reads_first():
    x = torsh_ops.arange(6).float()
    x.index_copy_(0, torsh_ops.tensor([1, 2, 3, 4, 5]), x[:5])
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x.scatter_add_(0, torsh_ops.tensor([0, 0, 5]), x[3:])
    assert x.tolist() == [5, 0, 1, 2, 3, 8]


def test_one_hot():
    x = torsh_ops.tensor([[0, 2], [1, 1]])
    f = torsh_ops.nn.functional
    assert f.one_hot(x).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert f.one_hot(x, 5).shape == (2, 2, 5)
    assert f.one_hot(x).dtype is torsh_ops.int64
    with pytest.raises(ShapeError, match=r"smaller than num_classes \(2\), but got 2"):
        f.one_hot(x, 2)
    with pytest.raises(ShapeError, match="non-negative, but got -1"):
        f.one_hot(torsh_ops.tensor([-1]))
    with pytest.raises(DTypeError, match="float32"):
        f.one_hot(torsh_ops.ones(2))


def error_cases():
    x, i = torsh_ops.ones(2, 3), torsh_ops.tensor
    return (
        (DimError, "index 2 is out of bounds for dimension 0 with size 2", lambda: x.scatter_add(0, i([[2, 0]]), x)),
        (DimError, "index -1 is out of bounds for dimension 1 with size 3", lambda: x.scatter(1, i([[-1]]), 0.0)),
        (ShapeError, r"\[1, 4\].*self \[2, 3\]", lambda: x.scatter(0, i([[0, 0, 0, 0]]), 0.0)),
        (ShapeError, r"\[1, 3\].*src \[2, 2\]", lambda: x.scatter(0, i([[0, 0, 0]]), x[:, :2])),
        (ShapeError, "same number of dimensions", lambda: x.scatter_add(0, i([0]), x)),
        (DTypeError, "float32 and torsh_ops.float64", lambda: x.scatter_add(0, i([[0]]), x.double())),
        (DTypeError, "int64", lambda: x.scatter_add(0, x, x)),
        (OperandError, "either src or value", lambda: x.scatter(0, i([[0]]))),
        (ShapeError, "'max'", lambda: x.scatter(0, i([[0]]), x, reduce="max")),
        (ShapeError, "got max", lambda: x.scatter_reduce(0, i([[0]]), x, "max")),
        (ShapeError, r"\[1, 3\], but got \[2, 3\]", lambda: x.index_add(0, i([0]), x)),
        (DimError, "vector", lambda: x.index_add(0, i([[0]]), x)),
        (DimError, "index 7 is out of bounds for dimension 0", lambda: x.index_copy(0, i([7]), x[:1])),
        (ShapeError, "0-dim", lambda: x.index_fill(0, i([0]), x)),
        (OperandError, "str", lambda: x.index_fill(0, i([0]), "a")),
        (DimError, "index 2 is out of bounds for dimension 0 with size 2", lambda: x.index_put((i([2]),), x[0])),
        (DimError, "too many indices", lambda: x.index_put((i([0]),) * 3, x[0])),
        (ShapeError, r"\[2, 3\].*\[1, 3\]", lambda: x.index_put((i([0]),), x)),
        (DimError, "index 6", lambda: x.put(i([6]), x[0, :1])),
        (ShapeError, "same number of elements", lambda: x.put(i([1]), x)),
        (DTypeError, "boolean masks", lambda: x.masked_fill(x, 0.0)),
        (ShapeError, "does not broadcast|must match", lambda: x.masked_fill(i([True, False]), 0.0)),
        (ShapeError, "overflow", lambda: x.long().masked_fill(x > 0, float("inf"))),
        (ShapeError, "at least 6 elements in source, but got 1", lambda: x.masked_scatter(x > 0, x[0, :1])),
        (GradError, "no_grad", lambda: torsh_ops.ones(2, requires_grad=True).index_fill_(0, i([0]), 1.0)),
    )


@pytest.mark.parametrize("number", range(len(error_cases())))
def test_errors_name_what_does_not_fit(number):
    kind, text, call = error_cases()[number]
    with pytest.raises(kind, match=text):
        call()
