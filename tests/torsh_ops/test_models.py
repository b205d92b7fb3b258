import numpy as np
import pytest
from oracle import needs_torch, torch

import torsh_ops
from torsh_ops import nn, optim
from torsh_ops.models import EncoderBlock, SmallCNN
from torsh_ops.nn import functional as F


def torch_cnn():
    n, layers = torch.nn, []
    for before, width in ((3, 32), (32, 64)):
        layers += [
            n.Conv2d(before, width, 3, padding=1),
            n.ReLU(),
            n.Conv2d(width, width, 3, padding=1),
            n.ReLU(),
            n.MaxPool2d(2),
        ]
    return n.Sequential(*layers, n.AdaptiveAvgPool2d(1), n.Flatten(), n.Linear(64, 10))


def copy_weights(ours, theirs):
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        p.detach().copy_(torsh_ops.from_numpy(q.detach().numpy()))


def images(n, dtype="float32"):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 3, 32, 32)).astype(dtype), rng.integers(0, 10, n)


def test_sizes():
    assert sum(p.numel() for p in SmallCNN().parameters()) == 66218
    assert sum(p.numel() for p in EncoderBlock().parameters()) == 789760


@needs_torch
@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 2e-4), ("float64", 1e-11)])
def test_training_the_cnn_is_torchs(dtype, rounding):
    torch.manual_seed(0)
    theirs, ours = torch_cnn().to(getattr(torch, dtype)), SmallCNN().to(dtype)
    copy_weights(ours, theirs)
    x, classes = images(4, dtype)
    mine = optim.SGD(ours.parameters(), lr=0.05, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for _ in range(3):
        mine.zero_grad()
        other.zero_grad()
        loss = F.cross_entropy(ours(torsh_ops.from_numpy(x)), torsh_ops.from_numpy(classes))
        want = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(classes))
        np.testing.assert_allclose(loss.item(), want.item(), rtol=rounding)
        loss.backward()
        want.backward()
        mine.step()
        other.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), atol=rounding, rtol=rounding)


@needs_torch
def test_the_encoder_block_is_torchs():
    theirs = torch.nn.TransformerEncoderLayer(256, 8, 1024, 0.0, batch_first=True)
    ours = EncoderBlock()
    ours.load_state_dict({n: torsh_ops.from_numpy(v.numpy()) for n, v in theirs.state_dict().items()})
    x, scale = np.random.default_rng(0).standard_normal((2, 2, 128, 256)).astype("f4")
    a, b = torsh_ops.from_numpy(x).requires_grad_(), torch.from_numpy(x).requires_grad_()
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=5e-6)
    (y * torsh_ops.from_numpy(scale)).sum().backward()
    (z * torch.from_numpy(scale)).sum().backward()
    for p, q in zip([a, *ours.parameters()], [b, *theirs.parameters()], strict=True):
        want = q.grad.numpy()
        np.testing.assert_allclose(p.grad.numpy(), want, atol=1e-4 * np.abs(want).max())


def test_a_cnn_learns():
    # Which of two patterns a noisy image holds: chance is 0.69.
    torsh_ops.manual_seed(0)
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 16)
    patterns = rng.standard_normal((2, 3, 8, 8))
    x = torsh_ops.tensor(patterns[classes] + 0.3 * rng.standard_normal((16, 3, 8, 8)), dtype=torsh_ops.float32)
    model = SmallCNN(2)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    first = last = None
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), torsh_ops.from_numpy(classes))
        loss.backward()
        optimizer.step()
        first, last = first or loss.item(), loss.item()
    assert first > 0.6
    assert last < 0.1


def test_models_are_modules_that_can_be_seen():
    text = repr(SmallCNN())
    assert "(classifier): Linear(in_features=64, out_features=10, bias=True)" in text
    assert text.count("Conv2d(") == 4
    assert isinstance(EncoderBlock().self_attn, nn.MultiheadAttention)
