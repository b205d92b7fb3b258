"""Compiled kernels that are older than what they are made of."""

import os

import pytest

from torsh_ops.kernels import _drop_stale_code

FILES = {
    "vector.py": "",
    "math.py": "from torsh_ops.kernels.vector import SERIAL\n",
    "rows.py": "from torsh_ops.kernels import (\n    math as m,\n    blas,\n)\n",
    "blas.py": "import numpy\n",
    "short.py": "",
    "call/plans.py": "from torsh_ops.kernels import rows as rk, blas\n",
}


@pytest.fixture
def compiled(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        index = path.parent / "__pycache__" / f"{path.stem}.kernel-7.py311.nbi"
        index.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1000, 1000))
        index.write_bytes(b"")
        os.utime(index, (2000, 2000))
    return tmp_path


def dropped_from(folder) -> set[str]:
    before = set(folder.rglob("*.nbi"))
    _drop_stale_code(folder)
    return {path.name.split(".")[0] for path in before - set(folder.rglob("*.nbi"))}


@pytest.mark.parametrize(
    ("changed", "dropped"),
    [
        ("vector.py", {"vector", "math", "rows", "short", "plans"}),
        ("math.py", {"math", "rows", "short", "plans"}),
        ("blas.py", {"blas", "rows", "short", "plans"}),
        ("call/plans.py", {"plans", "short"}),
    ],
)
def test_kernels_go_when_a_file_they_are_made_of_is_newer(compiled, changed, dropped):
    assert dropped_from(compiled) == set()
    os.utime(compiled / changed, (3000, 3000))
    assert dropped_from(compiled) == dropped


def test_kernels_of_a_file_that_is_gone_go(compiled):
    (compiled / "blas.py").unlink()
    os.utime(compiled / "vector.py", (3000, 3000))
    assert "blas" in dropped_from(compiled)
