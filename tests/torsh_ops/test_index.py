"""Reading by place: `x[...]`, gather, take, masks. NumPy and PyTorch are the oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError

SHAPE = (4, 5, 6)
# Written for either library: `of` makes its tensor of a list.
KEYS = {
    "integers": lambda x, of: x[1, -2, 3],
    "negative_integer": lambda x, of: x[-4],
    "none": lambda x, of: x[:, None, 2],
    "slice": lambda x, of: x[1:3, ..., ::2],
    "slice_beyond": lambda x, of: x[-9:99, 4:1],
    "ellipsis_only": lambda x, of: x[...],
    "number_tensor": lambda x, of: x[of(2)],
    "number_tensors": lambda x, of: x[of(2), of(-1)],
    "slice_by_tensors": lambda x, of: x[of(1) : of(3)],
    "list": lambda x, of: x[[2, 0]],
    "empty_list": lambda x, of: x[[]],
    "tensor": lambda x, of: x[of([2, 0, 2, -1])],
    "matrix_of_places": lambda x, of: x[of([[2, 0], [1, 1]])],
    "middle": lambda x, of: x[:, of([4, 0])],
    "last": lambda x, of: x[..., of([4, 0, -6])],
    "two_neighbours": lambda x, of: x[of([0, 1]), of([2, 3])],
    "two_apart": lambda x, of: x[[0, 1], :, [2, 3]],
    "two_broadcast": lambda x, of: x[of([[0], [1]]), of([2, 3])],
    "three": lambda x, of: x[of([0, 1]), of([2, 3]), of([4, 5])],
    "integer_and_tensor": lambda x, of: x[0, :, of([1, 2])],
    "tensor_and_integer": lambda x, of: x[of([1, 2]), :, 0],
    "integer_between": lambda x, of: x[of([1, 2]), 3, of([0, 5])],
    "none_and_tensor": lambda x, of: x[None, of([1, 2]), None],
    "tensors_around_none": lambda x, of: x[of([1, 2]), None, of([0, 4])],
    "slice_and_tensor": lambda x, of: x[1:, of([1, 2]), ::2],
    "ellipsis_and_tensor": lambda x, of: x[..., of([1, 2]), 1:2],
    "true": lambda x, of: x[True],
    "false": lambda x, of: x[False],
    "mask": lambda x, of: x[x > 0.5],
    "mask_of_rows": lambda x, of: x[of([True, False, True, True])],
    "mask_of_columns": lambda x, of: x[:, of([True, False, True, True, False])],
    "mask_of_two": lambda x, of: x[x[..., 0] > 0],
    "mask_and_tensor": lambda x, of: x[of([True, False, True, False]), of([0, 4])],
    "mask_and_integer": lambda x, of: x[of([True, False, True, False]), 2],
    "mask_list": lambda x, of: x[[True, False, True, False]],
    "none_true": lambda x, of: x[x[:, 0, 0] > 9],
    "gather": lambda x, of: x.gather(1, of([[[0, 1, 4]], [[3, 3, 2]]])),
    "gather_last": lambda x, of: x.gather(-1, of([[[5, 0, 5, 1, 2, 3, 4, 0]]])),
    "gather_first": lambda x, of: x.gather(0, of([[[3, 0, 1], [1, 1, 2]]])),
    "gather_nothing": lambda x, of: x.gather(0, of([[[]]]).long()),
    "index_select": lambda x, of: x.index_select(1, of([4, 0, 0])),
    "index_select_last": lambda x, of: x.index_select(-1, of([5, 1])),
    "index_select_first": lambda x, of: x.index_select(0, of([3, 3, 1, 0, 2])),
    "index_select_number": lambda x, of: x.index_select(0, of(3)),
    "take": lambda x, of: x.take(of([[0, -1], [119, 7]])),
    "masked_select": lambda x, of: x.masked_select(x > 0),
    "masked_select_broadcast": lambda x, of: x.masked_select(of([True, False, True, False, True, True])),
    "nonzero": lambda x, of: (x > 0.4).nonzero(),
    "nonzero_values": lambda x, of: x.mul(x > 0).nonzero(),
    "argwhere": lambda x, of: (x[0] > 0).argwhere(),
    "nonzero_vector": lambda x, of: (x[0, 0] > 0).nonzero(),
    "nonzero_number": lambda x, of: (x[0, 0, 0] == x[0, 0, 0]).nonzero(),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "negative"])
def test_matches_torch(layout):
    array = LAYOUTS[layout](arrays(np.random.default_rng(1), SHAPE, "float32"))
    ours, theirs = torsh_ops.from_numpy(array), torch.from_numpy(np.ascontiguousarray(array))
    for name, case in KEYS.items():
        try:
            assert_same(case(ours, torsh_ops.tensor), case(theirs, torch.tensor))
        except Exception as error:
            raise AssertionError(name) from error


@needs_torch
@pytest.mark.parametrize("dtype", ["int64", "bool", "float64"])
def test_other_dtypes_match_torch(dtype):
    array = arrays(np.random.default_rng(2), SHAPE, dtype)
    ours, theirs = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    for name in ("tensor", "middle", "two_apart", "mask_of_rows", "gather", "index_select", "take"):
        assert_same(KEYS[name](ours, torsh_ops.tensor), KEYS[name](theirs, torch.tensor))


def test_values_match_numpy():
    """Without PyTorch: the same places by NumPy's own indexing."""
    array = arrays(np.random.default_rng(3), (7, 33), "float32")
    x, rows, columns = torsh_ops.from_numpy(array), np.array([6, 0, -1, 3]), np.array([32, 0, 5, -33])
    of = torsh_ops.from_numpy
    np.testing.assert_array_equal(x[of(rows)].numpy(), array[rows])
    np.testing.assert_array_equal(x[:, of(columns)].numpy(), array[:, columns])
    np.testing.assert_array_equal(x[of(rows), of(columns)].numpy(), array[rows, columns])
    np.testing.assert_array_equal(x[x > 0].numpy(), array[array > 0])
    np.testing.assert_array_equal(x.masked_select(x < 0).numpy(), array[array < 0])
    np.testing.assert_array_equal((x > 0).nonzero().numpy(), np.argwhere(array > 0))
    index = np.random.default_rng(4).integers(0, 7, (5, 33))
    np.testing.assert_array_equal(x.gather(0, of(index)).numpy(), np.take_along_axis(array, index, 0))
    index = np.random.default_rng(4).integers(0, 33, (7, 50))
    np.testing.assert_array_equal(x.gather(1, of(index)).numpy(), np.take_along_axis(array, index, 1))
    np.testing.assert_array_equal(x.index_select(1, of(columns % 33)).numpy(), array[:, columns])
    parts = torsh_ops.nonzero(x > 0, as_tuple=True)
    for ours, theirs in zip(parts, np.nonzero(array > 0), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    order = of(array.argsort(1))
    np.testing.assert_array_equal(torsh_ops.take_along_dim(x, order, 1).numpy(), np.sort(array, 1))
    assert torsh_ops.take_along_dim(x, of(np.array([[3]])), 1).shape == (7, 1)
    assert torsh_ops.take_along_dim(x, of(np.array([3, 5]))).tolist() == array.ravel()[[3, 5]].tolist()


@needs_torch
@settings(max_examples=100, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), data=st.data())
def test_mixed_indexing_matches_torch(shape, data):
    count = data.draw(st.integers(1, 3))
    ours_key, theirs_key = [], []
    for n in shape:
        kind = data.draw(st.integers(0, 5))
        if kind == 0:
            part = data.draw(st.integers(-n, n - 1))
        elif kind == 1:
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            part = slice(data.draw(ends), data.draw(ends), data.draw(st.one_of(st.none(), st.integers(1, 3))))
        elif kind == 2:
            places = data.draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            ours_key.append(torsh_ops.tensor(places))
            theirs_key.append(torch.tensor(places))
            continue
        else:
            part = slice(None)
            if kind == 3:
                ours_key.append(None)
                theirs_key.append(None)
        ours_key.append(part)
        theirs_key.append(part)
    array = arrays(np.random.default_rng(3), shape, "float64")
    ours, theirs = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    assert_same(ours[tuple(ours_key)], theirs[tuple(theirs_key)])
    ours, theirs = ours.clone(), theirs.clone()
    ours[tuple(ours_key)] = 7
    theirs[tuple(theirs_key)] = 7
    assert_same(ours, theirs)


def test_setitem_broadcasts_casts_and_counts():
    x = torsh_ops.zeros(3, 4)
    x[1] = torsh_ops.arange(4)
    x[:, 0] = 7
    x[torsh_ops.tensor([0, 2]), 3] = torsh_ops.tensor([1.5, 2.5])
    assert x.tolist() == [[7, 0, 0, 1.5], [7, 1, 2, 3], [7, 0, 0, 2.5]]
    assert x.version == 3
    x[x > 2] = -1.0
    x[..., 2] = torsh_ops.tensor([[5.0], [6.0], [8.0]])[:, 0]
    assert x.tolist() == [[-1, 0, 5, 1.5], [-1, 1, 6, -1], [-1, 0, 8, -1]]
    x[0, 0] = torsh_ops.tensor(3)
    x[torsh_ops.tensor([True, False, False])] = torsh_ops.tensor([9, 8, 7, 6])
    assert x[0].tolist() == [9, 8, 7, 6]


def test_overlapping_setitem_reads_before_it_writes():
    x = torsh_ops.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[torsh_ops.tensor([0, 1, 2])] = x[3:]
    assert x.tolist() == [2, 3, 4, 2, 3, 4]


def test_errors_name_the_index_its_dimension_and_size():
    x = torsh_ops.ones(2, 3)
    for key in (5, (0, -4), (slice(None), 3)):
        with pytest.raises(DimError, match=r"index -?\d is out of bounds for dimension \d with size \d"):
            x[key]
        with pytest.raises(DimError, match=r"index -?\d is out of bounds for dimension \d with size \d"):
            x[key] = 1
    with pytest.raises(DimError, match="index 3 is out of bounds for dimension 1 with size 3"):
        x[:, torsh_ops.tensor([0, 3])]
    with pytest.raises(DimError, match="too many indices"):
        x[0, 0, 0]
    with pytest.raises(DimError, match="too many indices"):
        x[0, 0, torsh_ops.tensor([0])]
    with pytest.raises(DimError, match="dimension 0"):
        x[torsh_ops.tensor([True, False, True])]
    with pytest.raises(ArgumentError, match="greater than zero"):
        x[::-1]
    with pytest.raises(DTypeError, match="float32"):
        x[torsh_ops.ones(2)]
    for key in ("a", 1.0, slice(0, "a"), slice(0, 1.5)):
        with pytest.raises(OperandError):
            x[key]
    with pytest.raises(ShapeError, match=r"\(4,\).*\(3,\)"):
        x[0] = torsh_ops.ones(4)
    with pytest.raises(DimError, match="index 3 is out of bounds for dimension 1 with size 3"):
        x.gather(1, torsh_ops.tensor([[0], [3]]))
    with pytest.raises(DimError, match="index -1 is out of bounds for dimension 0 with size 2"):
        x.index_select(0, torsh_ops.tensor([0, -1]))
    with pytest.raises(ShapeError, match=r"\[3, 1\].*\[2, 3\]"):
        x.gather(1, torsh_ops.tensor([[0], [1], [1]]))
    with pytest.raises(ShapeError, match="same number of dimensions"):
        x.gather(1, torsh_ops.tensor([0]))
    with pytest.raises(ShapeError, match="vector"):
        x.index_select(0, torsh_ops.tensor([[0]]))
    with pytest.raises(DTypeError, match="int64"):
        x.gather(1, x)
    with pytest.raises(DimError, match="index 6"):
        x.take(torsh_ops.tensor([6]))
    with pytest.raises(DTypeError, match="BoolTensor"):
        x.masked_select(torsh_ops.tensor([1, 0, 1]))
    with pytest.raises(DimError, match=r"range of \[-2, 1\]"):
        x.index_select(2, torsh_ops.tensor([0]))
