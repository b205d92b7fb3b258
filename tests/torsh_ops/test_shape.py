"""Shapes, order, joining and repeating, beside PyTorch and NumPy."""

import numpy as np
import pytest
from oracle import LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError
from torsh_ops.kernels import move

SHAPE = (4, 5, 6)
VIEWS = {
    "reshape": lambda x: x.reshape(2, -1, 6),
    "reshape_tuple": lambda x: x.reshape((20, 6)),
    "view": lambda x: x.view(-1),
    "view_list": lambda x: x.view([20, 6]),
    "reshape_as": lambda x: x.reshape_as(x[..., :3].tile(2).reshape(5, 24)),
    "view_as": lambda x: x.view_as(x.clone().reshape(5, 24)),
    "permute": lambda x: x.permute(2, 0, -2),
    "transpose": lambda x: x.transpose(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "swapdims": lambda x: x.swapdims(-1, 1),
    "movedim": lambda x: x.movedim(0, 2),
    "movedim_lists": lambda x: x.movedim((0, 2), (-1, 0)),
    "moveaxis": lambda x: x.moveaxis(-1, 0),
    "t": lambda x: x[0].t(),
    "T": lambda x: x[0].T,
    "mT": lambda x: x.mT,
    "flatten": lambda x: x.flatten(1),
    "flatten_some": lambda x: x.flatten(0, -2),
    "unflatten": lambda x: x.unflatten(2, (2, -1)),
    "ravel": lambda x: x.ravel(),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "unsqueeze_first": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze_dim": lambda x: x[:1].squeeze(0),
    "squeeze_dims": lambda x: x[:1, :, :1].squeeze((0, 1, -1)),
    "squeeze_none": lambda x: x.squeeze(1),
    "expand": lambda x: x[:, :1].expand(-1, 7, -1),
    "expand_new": lambda x: x.expand(2, -1, -1, -1),
    "expand_as": lambda x: x[:, :1].expand_as(x),
    "broadcast_to": lambda x: x[0].broadcast_to((3, 5, 6)),
    "narrow": lambda x: x.narrow(1, 2, 3),
    "narrow_back": lambda x: x.narrow(1, -2, 2),
    "select": lambda x: x.select(1, -2),
    "unbind": lambda x: x.unbind(1)[3],
    "split": lambda x: x.split(2, 1)[2],
    "split_sizes": lambda x: x.split([1, 4], 1)[1],
    "split_with_sizes": lambda x: x.split_with_sizes((2, 0, 3), 1)[2],
    "chunk": lambda x: x.chunk(4, 2)[-1],
    "tensor_split": lambda x: x.tensor_split(4, 2)[1],
    "tensor_split_places": lambda x: x.tensor_split((1, 4), -1)[1],
    "hsplit": lambda x: x.hsplit(5)[2],
    "vsplit": lambda x: x.vsplit([1, 2])[2],
    "dsplit": lambda x: x.dsplit(2)[1],
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "diagonal_below": lambda x: x.diagonal(offset=-2, dim1=-1, dim2=0),
    "unfold": lambda x: x.unfold(2, 3, 2),
    "unfold_first": lambda x: x.unfold(0, 2, 1),
    "as_strided": lambda x: x.as_strided((3, 2), (7, 30), 4),
    "as_strided_offset": lambda x: x[1].as_strided((2, 2), (6, 1)),
    "view_dtype": lambda x: x.view({torsh_ops.Tensor: torsh_ops.int32}.get(type(x)) or torch.int32),
}
COPIES = {
    "contiguous": lambda x: x.transpose(0, 2).contiguous(),
    "transposed_reshape": lambda x: x.transpose(0, 1).reshape(-1),
    "permuted": lambda x: x.permute(2, 0, 1).contiguous(),
    "permuted_inner": lambda x: x.permute(1, 0, 2).contiguous(),
    "sliced": lambda x: x[1:, :, ::2].contiguous(),
    "flip": lambda x: x.flip(1),
    "flip_all": lambda x: x.flip(0, 1, 2),
    "flip_last": lambda x: x.flip((-1,)),
    "flip_none": lambda x: x.flip(()),
    "fliplr": lambda x: x.fliplr(),
    "flipud": lambda x: x.flipud(),
    "roll": lambda x: x.roll(4, 1),
    "roll_two": lambda x: x.roll((1, -8), (0, 2)),
    "roll_all": lambda x: x.roll(-7),
    "rot90": lambda x: x.rot90(1, (0, 1)),
    "rot180": lambda x: x.rot90(2, (1, 2)),
    "rot270": lambda x: x.rot90(-1, (2, 0)),
    "rot0": lambda x: x.rot90(4, (0, 1)),
    "tril": lambda x: x.tril(1),
    "tril_below": lambda x: x.tril(-3),
    "tril_far": lambda x: x.tril(40),
    "triu": lambda x: x.triu(),
    "triu_above": lambda x: x.triu(2),
    "triu_far": lambda x: x.triu(-40),
    "diag": lambda x: x[0, 0].diag(-1),
    "diag_matrix": lambda x: x[0].diag(1),
    "diag_embed": lambda x: x.diag_embed(),
    "diag_embed_dims": lambda x: x[0].diag_embed(-1, 0, 2),
    "diagflat": lambda x: x[0, :2, :2].diagflat(1),
    "trace": lambda x: x[0].trace(),
    "repeat": lambda x: x.repeat(1, 3, 2),
    "repeat_new": lambda x: x.repeat((2, 1, 1, 2)),
    "repeat_nothing": lambda x: x.repeat(0, 1, 1),
    "tile": lambda x: x.tile(2),
    "tile_dims": lambda x: x.tile((2, 1, 2, 1)),
    "repeat_interleave": lambda x: x.repeat_interleave(3),
    "repeat_interleave_dim": lambda x: x.repeat_interleave(2, 1),
    "repeat_interleave_zero": lambda x: x.repeat_interleave(0, 1),
}
# Written for either library.
JOINS = {
    "cat": lambda lib, a, b: lib.cat([a, b], 1),
    "cat_promotes": lambda lib, a, b: lib.cat([a, b.long()], -1),
    "cat_empty_vector": lambda lib, a, b: lib.cat([a, a.new_empty(0) if lib is torch else lib.empty(0), b]),
    "cat_transposed": lambda lib, a, b: lib.cat([a.T, b.T]),
    "cat_one": lambda lib, a, b: lib.cat((a,)),
    "concat": lambda lib, a, b: lib.concat([a, b]),
    "concatenate": lambda lib, a, b: lib.concatenate([a, b], 1),
    "stack": lambda lib, a, b: lib.stack([a, b]),
    "stack_middle": lambda lib, a, b: lib.stack([a, b, a], 1),
    "stack_last": lambda lib, a, b: lib.stack((a, b), -1),
    "stack_numbers": lambda lib, a, b: lib.stack([a[0, 0], b[0, 0]]),
    "hstack": lambda lib, a, b: lib.hstack([a, b]),
    "hstack_vectors": lambda lib, a, b: lib.hstack([a[0], b[0, 0]]),
    "vstack": lambda lib, a, b: lib.vstack([a, b[0]]),
    "row_stack": lambda lib, a, b: lib.vstack((a, b)),
    "dstack": lambda lib, a, b: lib.dstack([a, b]),
    "dstack_vectors": lambda lib, a, b: lib.dstack([a[0], b[0]]),
    "column_stack": lambda lib, a, b: lib.column_stack([a, b[:, 0]]),
    "block_diag": lambda lib, a, b: lib.block_diag(a, b[0], b[0, 0]),
    "meshgrid": lambda lib, a, b: lib.meshgrid(a[0], b[1], indexing="ij")[1],
    "meshgrid_xy": lambda lib, a, b: lib.meshgrid([a[0], b[:, 0], b[1]], indexing="xy")[0],
    "cartesian_prod": lambda lib, a, b: lib.cartesian_prod(a[0], b[:, 0]),
    "cartesian_prod_one": lambda lib, a, b: lib.cartesian_prod(a[0]),
    "combinations": lambda lib, a, b: lib.combinations(a[0], 2),
    "combinations_again": lambda lib, a, b: lib.combinations(a[0], 3, True),
    "combinations_none": lambda lib, a, b: lib.combinations(a[0], 5),
    "broadcast_tensors": lambda lib, a, b: lib.broadcast_tensors(a[0], b[:, :1])[1],
    "atleast_1d": lambda lib, a, b: lib.atleast_1d(a[0, 0], b)[0],
    "atleast_2d": lambda lib, a, b: lib.atleast_2d(a[0]),
    "atleast_3d": lambda lib, a, b: lib.atleast_3d([a, b[0]])[1],
    "atleast_3d_matrix": lambda lib, a, b: lib.atleast_3d(a),
    "tril_indices": lambda lib, a, b: lib.tril_indices(3, 5, 1),
    "triu_indices": lambda lib, a, b: lib.triu_indices(4, 3, -1, dtype=lib.int32),
    "repeats": lambda lib, a, b: a.repeat_interleave(lib.tensor([2, 0, 3]), 1),
    "repeats_alone": lambda lib, a, b: lib.repeat_interleave(lib.tensor([2, 0, 3])),
    "repeats_one": lambda lib, a, b: lib.repeat_interleave(a, lib.tensor([2]), dim=0, output_size=4),
}  # fmt: skip


@pytest.fixture
def array():
    return arrays(np.random.default_rng(1), SHAPE, "float32")


@needs_torch
@pytest.mark.parametrize("name", {**VIEWS, **COPIES})
def test_matches_torch(name, array):
    case = {**VIEWS, **COPIES}[name]
    assert_same(case(torsh_ops.from_numpy(array)), case(torch.from_numpy(array.copy())))


@needs_torch
@pytest.mark.parametrize("layout", ["transposed", "strided", "negative"])
def test_copies_of_any_layout_match_torch(layout, array):
    given = LAYOUTS[layout](array)
    for name, case in COPIES.items():
        ours = case(torsh_ops.from_numpy(given))
        try:
            assert_same(ours, case(torch.from_numpy(array.copy())))
            assert ours.is_contiguous()
        except AssertionError as error:
            raise AssertionError(name) from error


@needs_torch
@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "float64"])
def test_copies_of_other_dtypes_match_torch(dtype):
    given = arrays(np.random.default_rng(2), SHAPE, dtype)
    for name, case in COPIES.items():
        if name == "trace" and dtype == "bool":
            continue
        assert_same(case(torsh_ops.from_numpy(given)), case(torch.from_numpy(given.copy())))


@needs_torch
@pytest.mark.parametrize("name", JOINS)
def test_joins_match_torch(name):
    rng = np.random.default_rng(2)
    a, b = (arrays(rng, (2, 3), "float32") for _ in range(2))
    ours = JOINS[name](torsh_ops, torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
    assert_same(ours, JOINS[name](torch, torch.from_numpy(a.copy()), torch.from_numpy(b.copy())))


def test_values_match_numpy(array):
    """Without PyTorch: NumPy's functions of the same name."""
    x = torsh_ops.from_numpy(array)
    pairs = [
        (x.flip(0, 2), np.flip(array, (0, 2))),
        (x.flip(2), np.flip(array, 2)),
        (x.roll((2, -1), (0, 2)), np.roll(array, (2, -1), (0, 2))),
        (x.roll(7), np.roll(array, 7)),
        (x.rot90(3, (1, 2)), np.rot90(array, 3, (1, 2))),
        (x.tril(-1), np.tril(array, -1)),
        (x.triu(1), np.triu(array, 1)),
        (x.tile(2, 3), np.tile(array, (2, 3))),
        (x.repeat_interleave(2, 1), np.repeat(array, 2, 1)),
        (x.movedim(0, -1), np.moveaxis(array, 0, -1)),
        (x.permute(1, 2, 0).contiguous(), array.transpose(1, 2, 0)),
        (x.unfold(2, 4, 1), np.lib.stride_tricks.sliding_window_view(array, 4, 2)),
        (x.diagonal(1, 0, 2), array.diagonal(1, 0, 2)),
        (torsh_ops.cat([x, x[:, :2]], 1), np.concatenate([array, array[:, :2]], 1)),
        (torsh_ops.stack([x, x * 2], 2), np.stack([array, array * 2], 2)),
        (torsh_ops.column_stack([x[0], x[0, :, 0]]), np.column_stack([array[0], array[0, :, 0]])),
        (torsh_ops.dstack([x[0], x[1]]), np.dstack([array[0], array[1]])),
        (torsh_ops.tril_indices(4, 3, 1), np.stack(np.tril_indices(4, 1, 3))),
    ]
    for i, (ours, expected) in enumerate(pairs):
        np.testing.assert_array_equal(ours.numpy(), expected, err_msg=f"pair {i}")


@pytest.mark.parametrize("rows", [1, 7, 16, 33, 130])
def test_copies_of_turned_matrices_at_the_edges_of_tiles(rows):
    rng = np.random.default_rng(rows)
    for columns in (1, 8, 15, 16, 17, 64, 257):
        for dtype in ("float32", "float64"):
            array = arrays(rng, (rows, columns), dtype)
            np.testing.assert_array_equal(torsh_ops.from_numpy(array).T.contiguous().numpy(), array.T)
    batch = arrays(rng, (3, rows, 70, 4), "float32")
    for order in ((0, 2, 1, 3), (0, 3, 1, 2), (2, 3, 0, 1), (3, 2, 1, 0), (1, 0, 3, 2), (0, 2, 3, 1)):
        copy = torsh_ops.from_numpy(batch).permute(order).contiguous()
        np.testing.assert_array_equal(copy.numpy(), batch.transpose(order), err_msg=str(order))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", [1, -1, 2])
def test_copies_of_lines_of_any_length_write_these_alone(step, dtype):
    """Short ones end with vectors of half, a quarter and so on; large results are streamed from a line of cache on."""
    for size in (*range(1, 35), (1 << 19) + 7):
        start = size if step < 0 else 1
        source = np.arange(2 * 3 * (2 * size + 2), dtype=dtype).reshape(1, 2, 3, -1)
        lines = source[..., start : start + size * step : step]
        out = np.full((1, 2, 3, size + 3), -1, dtype)
        move.copy_lines(lines, out[..., 2:-1])
        np.testing.assert_array_equal(out[..., 2:-1], lines)
        assert (out[..., :2] == -1).all() and (out[..., -1] == -1).all()


@pytest.mark.parametrize("name", [n for n in VIEWS if n not in ("reshape_as", "view_as", "view_dtype")])
def test_views_share_memory_and_its_version(name):
    x = torsh_ops.zeros(*SHAPE)
    view = VIEWS[name](x)
    x.fill_(3)
    assert (view.numpy() == 3).all()
    assert view.version == x.version == 1


def test_view_reads_bytes_as_another_dtype():
    x = torsh_ops.tensor([1.0, -2.0])
    assert x.view(torsh_ops.int32).tolist() == [0x3F800000, -0x40000000]
    assert x.view(torsh_ops.float64).shape == (1,)
    with pytest.raises(ShapeError, match="float64"):
        torsh_ops.zeros(3).view(torsh_ops.float64)


def test_description():
    x = torsh_ops.zeros(4, 6)
    part = x[1:, ::2]
    assert (part.stride(), part.storage_offset(), part.numel(), part.dim()) == ((6, 2), 6, 9, 2)
    assert not part.is_contiguous()
    assert part.contiguous().is_contiguous()
    assert x.contiguous() is x
    assert part.size() == (3, 3)
    assert part.size(-1) == 3
    assert (x.storage_offset(), part[1:].storage_offset()) == (0, 12)


def test_in_place_triangles():
    x = torsh_ops.ones(3, 3)
    assert x.tril_() is x
    assert x.triu_(-1).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert x.version == 2
    for name in ("squeeze_", "unsqueeze_", "transpose_", "t_"):
        with pytest.raises(AttributeError, match=name):
            getattr(x, name)


def test_large_joins_come_from_the_pool():
    x = torsh_ops.ones(300, 300)
    torsh_ops.cat([x, x], 1)
    before = torsh_ops.memory.stats()["allocated"]
    assert float(torsh_ops.cat([x, x], 1).sum()) == 180000
    assert torsh_ops.memory.stats()["allocated"] == before


ERRORS = (
    (ShapeError, r"\[4, 2\] is invalid for input of size 6", lambda x: x.reshape(4, 2)),
    (ShapeError, r"only one dimension.*\[-1, -1\]", lambda x: x.reshape(-1, -1)),
    (ShapeError, "use reshape", lambda x: x.T.view(-1)),
    (ShapeError, r"\[2, 2\].*dim 1 \(3\)", lambda x: x.unflatten(1, (2, 2))),
    (ArgumentError, "once", lambda x: x.permute(0, 0)),
    (ArgumentError, "once", lambda x: x.permute(0)),
    (DimError, r"range of \[-2, 1\], but got 2", lambda x: x.transpose(0, 2)),
    (DimError, "but got -3", lambda x: x.permute(0, -3)),
    (ArgumentError, r"\[0, 0\]", lambda x: x.movedim((0, 0), (0, 1))),
    (ArgumentError, r"\[0\].*\[0, 1\]", lambda x: x.movedim(0, (0, 1))),
    (ShapeError, "at most 2", lambda x: x.unsqueeze(0).t()),
    (ShapeError, r"\(5\).*\(3\)", lambda x: x.expand(2, 5)),
    (ShapeError, "must not be less", lambda x: x.expand(2)),
    (ShapeError, "do not broadcast", lambda x: torsh_ops.broadcast_tensors(x, x.T)),
    (ShapeError, "identical", lambda x: x.diagonal(0, 1, -1)),
    (ShapeError, "dimension 1 is 3 but size is 4", lambda x: x.unfold(1, 4, 1)),
    (ShapeError, "step is 0", lambda x: x.unfold(1, 1, 0)),
    (ShapeError, "memory of 6 elements", lambda x: x.as_strided((3, 3), (3, 1))),
    (DimError, r"index 2 out of range.*\[2, 3\] at dimension 0", lambda x: x.select(0, 2)),
    (DimError, "start out of range", lambda x: x.narrow(0, 3, 1)),
    (ShapeError, r"\(1\) \+ length \(2\).*\(2\)", lambda x: x.narrow(0, 1, 2)),
    (ShapeError, "sum to 3", lambda x: x.split([1, 1], 1)),
    (ShapeError, "positive", lambda x: x.split(0)),
    (ShapeError, "greater than 0", lambda x: x.chunk(0)),
    (ShapeError, "larger than 0", lambda x: x.tensor_split(0)),
    (ShapeError, "not divisible", lambda x: x.hsplit(2)),
    (ShapeError, "at least 3 dimensions", lambda x: x.dsplit(2)),
    (ShapeError, r"\[2, 3\].*\[2, 4\].*number 1", lambda x: torsh_ops.cat([x, torsh_ops.ones(2, 4)])),
    (ShapeError, "zero-dimensional", lambda x: torsh_ops.cat([x.sum(), x.sum()])),
    (ArgumentError, "non-empty", lambda x: torsh_ops.cat([])),
    (OperandError, "int", lambda x: torsh_ops.cat([x, 1])),
    (DimError, "but got 2", lambda x: torsh_ops.cat([x, x], 2)),
    (ShapeError, r"\[2, 3\] at entry 0 and \[3, 2\] at entry 1", lambda x: torsh_ops.stack([x, x.T])),
    (ShapeError, "fewer than dimensions", lambda x: x.repeat(2)),
    (ShapeError, "negative", lambda x: x.repeat(2, -1)),
    (ShapeError, r"dim 1 \(3\)", lambda x: x.repeat_interleave(torsh_ops.tensor([1, 2]), 1)),
    (ShapeError, "negative", lambda x: x.repeat_interleave(torsh_ops.tensor([1, -2]), 0)),
    (DTypeError, "float32", lambda x: x.repeat_interleave(torsh_ops.ones(3), 1)),
    (ShapeError, "output_size 5", lambda x: x.repeat_interleave(2, 0, output_size=5)),
    (ArgumentError, "multiple", lambda x: x.flip(0, 0)),
    (DimError, "but got 2", lambda x: x.flip(2)),
    (ShapeError, "align", lambda x: x.roll((1, 2), 0)),
    (ShapeError, "different", lambda x: x.rot90(1, (0, 0))),
    (ShapeError, "at least 2", lambda x: x[0].tril()),
    (ShapeError, "1D or 2D", lambda x: x.unsqueeze(0).diag()),
    (ShapeError, "matrix", lambda x: x[0].trace()),
    (ShapeError, "identical", lambda x: x.diag_embed(0, 1, 1)),
    (ShapeError, "non-negative", lambda x: torsh_ops.tril_indices(-1, 2)),
    (ShapeError, "indexing", lambda x: torsh_ops.meshgrid(x[0], indexing="yx")),
    (ShapeError, "1D", lambda x: torsh_ops.meshgrid(x)),
    (ShapeError, "1D vector", lambda x: torsh_ops.cartesian_prod(x)),
    (ShapeError, "1D vector", lambda x: torsh_ops.combinations(x)),
    (OperandError, "ndarray", lambda x: torsh_ops.flip(x.numpy(), 0)),
)


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_name_what_does_not_fit(number):
    kind, text, call = ERRORS[number]
    with pytest.raises(kind, match=text):
        call(torsh_ops.ones(2, 3))
