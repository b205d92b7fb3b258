"""Gradients of shape and indexing operators, first and second, by finite differences in float64."""

import math

import numpy as np
import pytest
from oracle import numeric_gradient

import torsh_ops

F = torsh_ops.nn.functional
ROWS = torsh_ops.tensor([[0, 2, 1, 1], [2, 0, 2, 0]])
COLUMNS = torsh_ops.tensor([[0, 2], [3, 3], [1, 0]])
PLACES = torsh_ops.tensor([2, 0, 2])


def k(*shape):
    """Numbers that make the gradient of every element different."""
    return torsh_ops.from_numpy(np.random.default_rng(9).standard_normal(shape))


# Each takes a (3, 4) float64 tensor; the square makes the second gradient of linear operators speak.
LINEAR = {
    "view": lambda x: x.view(2, 6),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "movedim": lambda x: x.unsqueeze(0).movedim(0, 2),
    "transposed_reshape": lambda x: x.T.reshape(-1),
    "squeeze": lambda x: x[:1].squeeze(0),
    "expand": lambda x: x[:, :1].expand(-1, 3),
    "select": lambda x: x.select(1, 2),
    "integers": lambda x: x[1, 2],
    "slices": lambda x: x[1:, None, ::2],
    "unbind": lambda x: x.unbind(1)[0] + x.unbind(1)[3],
    "diagonal": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 3, 1),
    "as_strided": lambda x: x.as_strided((3, 3), (2, 3), 1),
    "stack_last": lambda x: torsh_ops.stack([x, x * 2.0], -1),
    "cat_empty": lambda x: torsh_ops.cat([torsh_ops.zeros(0, dtype=torsh_ops.float64), x], 0),
    "block_diag": lambda x: torsh_ops.block_diag(x, x[0]),
    "meshgrid": lambda x: torsh_ops.meshgrid(x[0], x[:, 0], indexing="xy")[1],
    "combinations": lambda x: torsh_ops.combinations(x[0], 2),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "tile": lambda x: x.tile(2),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0),
    "repeats": lambda x: x.repeat_interleave(PLACES, 0),
    "flip": lambda x: x.flip(0, 1),
    "roll": lambda x: x.roll((1, 2), (0, 1)),
    "roll_all": lambda x: x.roll(5),
    "rot90": lambda x: x.rot90(),
    "triu": lambda x: x.triu(1),
    "diag": lambda x: x[0].diag(1),
    "diag_matrix": lambda x: x.diag(),
    "diag_embed": lambda x: x.diag_embed(-1, 0, 2),
    "trace": lambda x: x.trace(),
    "index_tensor": lambda x: x[PLACES],
    "index_pair": lambda x: x[PLACES, torsh_ops.tensor([1, 1, 1])],
    "index_mixed": lambda x: x[None, 1:, torsh_ops.tensor([0, 0, 3])],
    "mask": lambda x: x[k(3, 4) > 0],
    "gather": lambda x: x.gather(0, ROWS),
    "take_along_dim": lambda x: torsh_ops.take_along_dim(x, ROWS[:, :1], 0),
    "index_select": lambda x: x.index_select(0, PLACES),
    "index_select_last": lambda x: x.index_select(1, PLACES),
    "take": lambda x: x.take(torsh_ops.tensor([[0, -1], [5, 5]])),
    "masked_select": lambda x: x.masked_select(k(4) > 0),
    "scatter": lambda x: x.scatter(1, COLUMNS[:, :1], 2.0 * x),
    "scatter_source": lambda x: k(3, 4).scatter(0, torsh_ops.tensor([[0, 2, 1]]), x),
    "scatter_value": lambda x: x.scatter(1, COLUMNS, 3.0),
    "scatter_number": lambda x: k(3, 4).scatter(1, COLUMNS[:, :1], x[0, 0].reshape(1, 1).expand(3, 1)),
    "scatter_add": lambda x: x.scatter_add(0, ROWS, x * 3.0),
    "index_add": lambda x: x.index_add(0, PLACES, x * 2.0, alpha=3),
    "index_copy": lambda x: x.index_copy(1, torsh_ops.tensor([1, 3]), x[:, 2:] * 2.0),
    "index_fill": lambda x: x.index_fill(1, torsh_ops.tensor([1]), 3.0),
    "index_fill_tensor": lambda x: x.index_fill(1, torsh_ops.tensor([1, 2]), x[0, 0]),
    "index_put": lambda x: x.index_put((torsh_ops.tensor([0, 2]),), x[1] * 2.0),
    "index_put_adds": lambda x: x.index_put((PLACES,), x * 2.0, True),
    "put": lambda x: x.put(torsh_ops.tensor([3, 7]), x[0, :2] * 3.0),
    "put_adds": lambda x: x.put(torsh_ops.tensor([3, 3]), x[0, :2], True),
    "masked_fill": lambda x: x.masked_fill(k(4) > 0, 2.0),
    "masked_fill_tensor": lambda x: x.masked_fill(k(3, 4) > 0, x[1, 1]),
    "masked_scatter": lambda x: x.masked_scatter(k(3, 4) > 0, x.T),
    "reduce_sum": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "sum"),
    "reduce_mean": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "mean"),
    "reduce_mean_alone": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "mean", include_self=False),
    "reduce_amax": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "amax"),
    "reduce_amin_alone": lambda x: x.scatter_reduce(1, COLUMNS, x * 2.0, "amin", include_self=False),
    "pad": lambda x: F.pad(x, (1, 2, -1, 1)),
    "pad_reflect": lambda x: F.pad(x, (3, 2), "reflect"),
    "pad_replicate": lambda x: F.pad(x, (3, 2), "replicate"),
    "pad_circular": lambda x: F.pad(x, (3, 2), "circular"),
    "unfold_image": lambda x: F.unfold(x.unsqueeze(0), 2, padding=1),
    "fold": lambda x: F.fold(x.T, (2, 4), (1, 2), stride=1)[..., :1] if x.shape[1] == 6 else F.fold(
        x.reshape(2, 6), (3, 3), (1, 2)
    ),
    "einsum_diagonal": lambda x: torsh_ops.einsum("ii->i", x[:, :3]),
    "cdist_1": lambda x: torsh_ops.cdist(x, x * 2.0 + 1.0, 1.0),
    "cdist_inf": lambda x: torsh_ops.cdist(x, x * 2.0 + 1.0, math.inf),
    "einsum_sum": lambda x: torsh_ops.einsum("ij->j", x),
}  # fmt: skip
CASES = {
    **{name: lambda x, case=case: case(x * x) for name, case in LINEAR.items()},
    "reduce_prod": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "prod"),
    "reduce_prod_alone": lambda x: x.scatter_reduce(0, ROWS, x * 2.0, "prod", include_self=False),
    "einsum": lambda x: torsh_ops.einsum("ij,kj->ik", x, x),
    "einsum_batch": lambda x: torsh_ops.einsum("bij,bjk,b->ik", x.reshape(3, 2, 2), x.reshape(3, 2, 2), x[:, 0]),
    "einsum_outer": lambda x: torsh_ops.einsum("i,j->ij", x[0], x[:, 1]),
    "tensordot": lambda x: torsh_ops.tensordot(x, x, ([0], [0])),
    "cdist": lambda x: torsh_ops.cdist(x, x[:2] * 2.0 + 1.0),
    "cdist_product": lambda x: torsh_ops.cdist(x, x * 0.5 + 1.0, compute_mode="use_mm_for_euclid_dist"),
    "cdist_3": lambda x: torsh_ops.cdist(x, x * 2.0 + 1.0, 3.0),
}


def scalar(case, x):
    y = case(x)
    return (y * k(*y.shape)).sum()


def slope(case, array, create_graph=False):
    x = torsh_ops.from_numpy(array).requires_grad_()
    (g,) = torsh_ops.autograd.grad(scalar(case, x), x, create_graph=create_graph)
    return x, g


@pytest.mark.parametrize("name", CASES)
def test_gradients_by_finite_differences(name):
    case = CASES[name]
    point = np.random.default_rng(10).standard_normal((3, 4)) + 0.05
    _, first = slope(case, point.copy())
    expected = numeric_gradient(lambda a: scalar(case, torsh_ops.from_numpy(a)).item(), point)
    np.testing.assert_allclose(first.numpy(), expected, rtol=1e-5, atol=1e-7)
    weight = k(4)
    x, g = slope(case, point.copy(), create_graph=True)
    (second,) = torsh_ops.autograd.grad((g * weight).sum(), x)
    expected = numeric_gradient(lambda a: (slope(case, a)[1] * weight).sum().item(), point)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_product_over_zeros_has_the_gradient_of_the_others():
    x = torsh_ops.tensor([2.0, 5.0], requires_grad=True)
    s = torsh_ops.tensor([0.0, 3.0, 0.0, 0.0], requires_grad=True)
    index = torsh_ops.tensor([0, 0, 1, 1])
    x.scatter_reduce(0, index, s, "prod").sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert s.grad.tolist() == [6, 0, 0, 0]


def test_ties_share_the_gradient_of_a_maximum():
    x = torsh_ops.tensor([1.0, 4.0], requires_grad=True)
    s = torsh_ops.tensor([1.0, 1.0, 3.0], requires_grad=True)
    x.scatter_reduce(0, torsh_ops.tensor([0, 0, 1]), s, "amax").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 / 3, 1], rtol=1e-6)
    np.testing.assert_allclose(s.grad.numpy(), [1 / 3, 1 / 3, 0], rtol=1e-6)


def test_equal_rows_have_no_gradient_of_distance():
    x = torsh_ops.ones(2, 3, requires_grad=True)
    torsh_ops.cdist(x, torsh_ops.ones(2, 3)).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_writing_in_place_is_recorded():
    index, mask = torsh_ops.tensor([0]), torsh_ops.tensor([True, False, True])
    for write, expected in (
        (lambda y, x: y.index_add_(0, index, x[:1]), [1, 0, 0]),
        (lambda y, x: y.masked_scatter_(mask, x), [1, 1, 0]),
        (lambda y, x: y.index_put_((index,), x[:1]), [1, 0, 0]),
        (lambda y, x: y.scatter_(0, index, x), [1, 0, 0]),
        (lambda y, x: y.add_((x * 2.0).reshape(1, 3).tril_().reshape(3)), [2, 0, 0]),
    ):
        x, y = torsh_ops.ones(3, requires_grad=True), torsh_ops.zeros(3)
        write(y, x)
        y.sum().backward()
        assert x.grad.tolist() == expected
    x, y = torsh_ops.ones(3, requires_grad=True), torsh_ops.zeros(3)
    with torsh_ops.no_grad():
        assert y.index_add_(0, index, x[:1]).tolist() == [1, 0, 0]
