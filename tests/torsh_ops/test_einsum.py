"""einsum, tensordot, distances, padding, folding, beside NumPy and PyTorch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError

F = torsh_ops.nn.functional
SIZES = dict(zip("abcdijk", (2, 3, 4, 5, 3, 4, 2), strict=True))
# What NumPy's einsum understands as well.
EQUATIONS = (
    "ij,jk->ik", "ij,jk", "ij,jk->ki", "aij,ajk->aik", "aij,jk->aik", "ij,kj->ik", "ji,kj->ik", "i,i->", "i,j->ij",
    "ij->ji", "ij->j", "ij->", "ba", "ij,ij->ij", "ij,ij->i", "ij,i->ij", "ijk,ilk->ijl".replace("l", "a"), "ii->i",
    "iijj->ij", "ii", "aii->a", "abij,abjk->abik", "abij,acij->abc", "bij,bj->bi", "i,ij,j->", "ab,bc,cd->ad",
    "ab,bc,cd,da->", "ij,jk,ab->abik", "...ij,...jk->...ik", "a...,a...->...", "...i->...", "i...,...i", "ij,a->i",
    " i j , j k -> i k ",
)  # fmt: skip


def operands(equation, rng, dots=(2, 3)):
    left = equation.replace(" ", "").split("->")[0]
    for term in left.split(","):
        lead, _, tail = term.partition("...")
        shape = [SIZES[x] for x in lead] + list(dots if "..." in term else ()) + [SIZES[x] for x in tail]
        yield rng.standard_normal(shape)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_matches_numpy(equation):
    given = list(operands(equation, np.random.default_rng(1)))
    ours = torsh_ops.einsum(equation, *map(torsh_ops.from_numpy, given))
    np.testing.assert_allclose(ours.numpy(), np.einsum(equation.replace(" ", ""), *given), rtol=1e-12, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_equation_matches_numpy(data):
    count = data.draw(st.integers(1, 3))
    terms = ["".join(data.draw(st.lists(st.sampled_from("abcd"), max_size=3))) for _ in range(count)]
    letters = sorted(set("".join(terms)))
    out = "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, len(letters)))]
    equation = f"{','.join(terms)}->{out}"
    given = list(operands(equation, np.random.default_rng(2)))
    ours = torsh_ops.einsum(equation, *map(torsh_ops.from_numpy, given))
    np.testing.assert_allclose(ours.numpy(), np.einsum(equation, *given), rtol=1e-10, atol=1e-10)


@needs_torch
def test_einsum_broadcasts_as_torch():
    rng = np.random.default_rng(3)
    for equation, *shapes in (
        ("ij,jk->ik", (3, 1), (4, 2)),
        ("aij,aij->ai", (1, 3, 4), (2, 3, 4)),
        ("...i,...i->...", (2, 1, 4), (3, 4)),
        ("a...,...->a...", (2, 3), (5, 1, 3)),
        ("i,i->i", (1,), (1,)),
    ):
        given = [arrays(rng, s, "float64") for s in shapes]
        ours = torsh_ops.einsum(equation, [torsh_ops.from_numpy(a) for a in given])
        assert_same(ours, torch.einsum(equation, *(torch.from_numpy(a) for a in given)))
    a, b = (arrays(rng, s, "float32") for s in ((2, 3), (3, 4)))
    ours = torsh_ops.einsum(torsh_ops.from_numpy(a), [0, 1], torsh_ops.from_numpy(b), [1, 2], [2, 0])
    assert_same(ours, torch.einsum(torch.from_numpy(a), [0, 1], torch.from_numpy(b), [1, 2], [2, 0]))


def test_tensordot():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 3, 5))
    x, y = torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)
    for dims in (0, 1, ([1, 2], [1, 0]), ([-1], [0])):
        np.testing.assert_allclose(torsh_ops.tensordot(x, y, dims).numpy(), np.tensordot(a, b, dims), rtol=1e-12)
    with pytest.raises(ShapeError, match="size 2 in dim 0 and second has size 4 in dim 0"):
        torsh_ops.tensordot(x, y, ([0], [0]))
    with pytest.raises(DimError, match="as many"):
        torsh_ops.tensordot(x, y, ([0, 1], [0]))
    with pytest.raises(ShapeError, match="dims=4"):
        torsh_ops.tensordot(x, y, 4)


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        ("i1,jk", "invalid subscript '1'"),
        ("i.j,jk", "invalid subscript '.'"),
        ("ij", "more operands were provided"),
        ("ij,jk,kl", "fewer operands were provided"),
        ("ijk,jk", r"\(3\) does not match the number of dimensions \(2\) for operand 0"),
        ("i,jk", r"\(1\) does not match the number of dimensions \(2\) for operand 0 and no ellipsis"),
        ("ij,jk->iz", "output subscript z does not appear"),
        ("ij,jk->ii", "output subscript i appears more than once"),
        ("ij,ik->jk", r"'i' has sizes 2 and 3 in shapes \[2, 3\], \[3, 4\]"),
        ("ii,jk", "repeated for operand 0"),
    ],
)
def test_einsum_names_what_is_wrong(equation, text):
    with pytest.raises(ShapeError, match=text):
        torsh_ops.einsum(equation, torsh_ops.ones(2, 3), torsh_ops.ones(3, 4))


def test_einsum_takes_tensors_alone():
    with pytest.raises(OperandError, match="ndarray"):
        torsh_ops.einsum("i", np.ones(2))
    with pytest.raises(ArgumentError, match="subscripts"):
        torsh_ops.einsum(torsh_ops.ones(2), [77])


def test_cdist_against_differences():
    rng = np.random.default_rng(5)
    for m, n in ((3, 4), (30, 5)):
        a, b = rng.standard_normal((2, m, 6)), rng.standard_normal((1, n, 6))
        for p in (0.0, 0.5, 1.0, 2.0, 3.5, math.inf):
            gap = np.abs(a[..., :, None, :] - b[..., None, :, :])
            if p == 0:
                expected = (gap != 0).sum(-1).astype(float)
            else:
                expected = gap.max(-1) if p == math.inf else (gap**p).sum(-1) ** (1 / p)
            ours = torsh_ops.cdist(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b), p)
            np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9, err_msg=f"p={p}")
    x = torsh_ops.ones(2, 3)
    assert torsh_ops.cdist(x, x, compute_mode="use_mm_for_euclid_dist").tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(2, 2\)"):
        torsh_ops.cdist(x, x[:, :2])
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.cdist(x.long(), x)
    with pytest.raises(ShapeError, match="-1"):
        torsh_ops.cdist(x, x, -1)
    with pytest.raises(ArgumentError, match="fast"):
        torsh_ops.cdist(x, x, compute_mode="fast")


def test_pad_matches_numpy():
    array = arrays(np.random.default_rng(6), (2, 3, 5, 6), "float32")
    x = torsh_ops.from_numpy(array)
    sides = ((0, 0), (0, 0), (2, 1), (3, 2))
    for ours, theirs in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        expected = np.pad(array, sides, mode=theirs)
        np.testing.assert_array_equal(F.pad(x, (3, 2, 2, 1), ours).numpy(), expected, err_msg=ours)
        np.testing.assert_array_equal(
            F.pad(x[0], (3, 2), ours).numpy(), np.pad(array[0], sides[:2] + sides[3:], mode=theirs)
        )
    np.testing.assert_array_equal(F.pad(x, (3, 2, 2, 1), value=1.5).numpy(), np.pad(array, sides, constant_values=1.5))
    np.testing.assert_array_equal(F.pad(x, (-1, 2)).numpy(), np.pad(array[..., 1:], ((0, 0),) * 3 + ((0, 2),)))
    assert F.pad(x, (-3, -3)).shape == (2, 3, 5, 0)
    np.testing.assert_array_equal(F.pad(x.long(), (1, 0), value=7).numpy()[..., 0], 7)
    np.testing.assert_array_equal(F.pad(x.transpose(2, 3), (1, 0)).numpy()[..., 1:], array.swapaxes(2, 3))
    for text, call in (
        ("length 3", lambda: F.pad(x, (1, 1, 1))),
        ("length 10", lambda: F.pad(x, (1,) * 10)),
        ("'edge'", lambda: F.pad(x, (1, 1), "edge")),
        ("negative", lambda: F.pad(x, (-4, -4))),
        (r"\(6, 0\) in mode 'reflect' at dimension 2 of size 6", lambda: F.pad(x[0], (6, 0), "reflect")),
        ("Only 2D", lambda: F.pad(x, (1, 1), "reflect")),
    ):
        with pytest.raises(ShapeError, match=text):
            call()


@needs_torch
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_pad_matches_torch(data):
    array = arrays(np.random.default_rng(7), (2, 3, 4, 5), "float32")
    mode = data.draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    widths = data.draw(st.lists(st.integers(0 if mode != "constant" else -2, 3), min_size=4, max_size=4))
    ours = F.pad(torsh_ops.from_numpy(array), widths, mode)
    assert_same(ours, torch.nn.functional.pad(torch.from_numpy(array), widths, mode))


WINDOWS = ({}, {"padding": 1}, {"stride": 2, "padding": (1, 0)}, {"dilation": 2, "stride": (1, 2)})


@pytest.mark.parametrize("window", WINDOWS)
def test_unfold_and_fold(window):
    array = arrays(np.random.default_rng(8), (2, 3, 6, 7), "float64")
    x = torsh_ops.from_numpy(array)
    columns = F.unfold(x, (2, 3), **window)
    assert F.unfold(x[0], (2, 3), **window).tolist() == columns[0].tolist()
    back = F.fold(columns, (6, 7), (2, 3), **window)
    # fold is the transpose of unfold: <unfold(x), y> = <x, fold(y)>.
    other = torsh_ops.from_numpy(arrays(np.random.default_rng(9), columns.shape, "float64"))
    left = (columns * other).sum().item()
    right = (x * F.fold(other, (6, 7), (2, 3), **window)).sum().item()
    assert left == pytest.approx(right, rel=1e-12)
    # How often each place is in a window.
    counts = F.fold(F.unfold(torsh_ops.ones(1, 1, 6, 7).double(), (2, 3), **window), (6, 7), (2, 3), **window)
    np.testing.assert_allclose(back.numpy(), array * counts.numpy(), rtol=1e-12)
    if torch is not None:
        assert_same(columns, torch.nn.functional.unfold(torch.from_numpy(array), (2, 3), **window))


def test_fold_names_what_does_not_fit():
    x = torsh_ops.ones(1, 2, 4, 4)
    with pytest.raises(ShapeError, match=r"\(-1, -1\) is not positive"):
        F.unfold(x, 6)
    with pytest.raises(ShapeError, match=r"\[4, 4\]"):
        F.unfold(x[0, 0], 2)
    with pytest.raises(ShapeError, match=r"c \* 4, 9"):
        F.fold(torsh_ops.ones(1, 8, 8), 4, 2)
    with pytest.raises(ShapeError, match="stride"):
        F.unfold(x, 2, stride=0)
