import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError
from torsh_ops.ops import index as ix


@pytest.fixture
def pair():
    if torch is None:
        pytest.skip("torch is not installed: pip install 'torsh-ops[frameworks]'")
    array = arrays(np.random.default_rng(1), (4, 5, 6), "float32")
    return torsh_ops.from_numpy(array), torch.from_numpy(array.copy())


VIEWS = {
    "reshape": lambda x: x.reshape(2, -1, 6),
    "reshape_tuple": lambda x: x.reshape((20, 6)),
    "view": lambda x: x.view(-1),
    "permute": lambda x: x.permute(2, 0, -2),
    "transpose": lambda x: x.transpose(0, -1),
    "flatten": lambda x: x.flatten(1),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "expand": lambda x: x[:, :1].expand(-1, 7, -1),
    "narrow": lambda x: x.narrow(1, 2, 3),
    "slice": lambda x: x[1:3, ..., ::2],
    "integers": lambda x: x[1, -2, 3],
    "none": lambda x: x[:, None, 2],
    "transposed_view": lambda x: x.transpose(0, 1).reshape(-1),
}
COPIES = {
    "list": lambda x: x[[2, 0]],
    "mask": lambda x: x[x > 0.5],
    "two_tensors": lambda x: x[[0, 1], :, [2, 3]],
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze_dim": lambda x: x[:1].squeeze(0),
    "contiguous": lambda x: x.transpose(0, 2).contiguous(),
    "tril": lambda x: x.tril(1),
    "triu": lambda x: x.triu(),
    "split": lambda x: x.split([1, 4], 1)[1],
    "chunk": lambda x: x.chunk(4, 2)[-1],
}


@pytest.mark.parametrize("name", {**VIEWS, **COPIES})
def test_shapes_and_values_match_torch(name, pair):
    ours, theirs = pair
    assert_same({**VIEWS, **COPIES}[name](ours), {**VIEWS, **COPIES}[name](theirs))


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "transposed_view"])
def test_views_share_memory_and_its_version(name):
    x = torsh_ops.zeros(4, 5, 6)
    view = VIEWS[name](x)
    x.fill_(3)
    assert (view.numpy() == 3).all()
    assert view.version == x.version == 1


@needs_torch
def test_cat_stack_gather_and_friends():
    rng = np.random.default_rng(2)
    a, b = arrays(rng, (2, 3), "float32"), arrays(rng, (2, 3), "int64")
    t, u = torsh_ops.from_numpy, torch.from_numpy
    assert_same(torsh_ops.cat([t(a), t(b)], 1), torch.cat([u(a), u(b)], 1))
    assert_same(torsh_ops.stack([t(a), t(a)], -1), torch.stack([u(a), u(a)], -1))
    index = np.array([[0, 1, 1], [1, 0, 0]])
    assert_same(torsh_ops.gather(t(a), 0, t(index)), torch.gather(u(a), 0, u(index)))
    assert_same(torsh_ops.gather(t(a), 1, t(index[:, :2])), torch.gather(u(a), 1, u(index[:, :2])))
    assert_same(ix.scatter_add(t(a), 0, t(index), t(a)), u(a.copy()).scatter_add(0, u(index), u(a)))
    assert_same(torsh_ops.index_select(t(a), 1, t(index[0])), torch.index_select(u(a), 1, u(index[0])))
    assert_same(torsh_ops.masked_fill(t(a), t(a > 0), -1.0), torch.masked_fill(u(a), u(a > 0), -1.0))


@needs_torch
@settings(max_examples=100, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), data=st.data())
def test_basic_indexing_matches_torch(shape, data):
    key = []
    for n in shape:
        kind = data.draw(st.integers(0, 2))
        if kind == 0:
            key.append(data.draw(st.integers(-n, n - 1)))
        elif kind == 1:
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            key.append(slice(data.draw(ends), data.draw(ends), data.draw(st.one_of(st.none(), st.integers(1, 3)))))
        else:
            key.append(slice(None))
    array = arrays(np.random.default_rng(3), shape, "float64")
    assert_same(torsh_ops.from_numpy(array)[tuple(key)], torch.from_numpy(array.copy())[tuple(key)])


def test_setitem_broadcasts_casts_and_counts():
    x = torsh_ops.zeros(3, 4)
    x[1] = torsh_ops.arange(4)
    x[:, 0] = 7
    x[torsh_ops.tensor([0, 2]), 3] = torsh_ops.tensor([1.5, 2.5])
    assert x.tolist() == [[7, 0, 0, 1.5], [7, 1, 2, 3], [7, 0, 0, 2.5]]
    assert x.version == 3


def test_errors_name_what_does_not_fit():
    x = torsh_ops.ones(2, 3)
    with pytest.raises(ShapeError, match=r"\[4, 2\] is invalid for input of size 6"):
        x.reshape(4, 2)
    with pytest.raises(ShapeError, match=r"use reshape"):
        x.T.view(-1)
    with pytest.raises(DimError, match="5"):
        x[5]
    with pytest.raises(ArgumentError, match="greater than zero"):
        x[::-1]
    with pytest.raises(DTypeError, match="float32"):
        x[torsh_ops.ones(2)]
    with pytest.raises(OperandError, match="str"):
        x["a"]
    with pytest.raises(ShapeError, match=r"\[2, 3\].*\[2, 4\].*number 1"):
        torsh_ops.cat([x, torsh_ops.ones(2, 4)], 0)
    with pytest.raises(ShapeError, match=r"\(5\).*\(3\)"):
        x.expand(2, 5)
    with pytest.raises(DimError, match="index 3 is out of bounds for dimension 1 with size 3"):
        x.gather(1, torsh_ops.tensor([[0], [3]]))
    with pytest.raises(ShapeError, match=r"\(4,\).*\(3,\)"):
        x[0] = torsh_ops.ones(4)
    with pytest.raises(ArgumentError, match="non-empty"):
        torsh_ops.cat([])
