"""The import arrows: a package imports what stands beside it here, what those import, and nothing else."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARROWS = {
    "torsh_ops.errors": "",
    "torsh_ops.dtypes": "torsh_ops.errors numpy",
    "torsh_ops.memory": "torsh_ops.errors numpy",
    "torsh_ops.tensor": "torsh_ops.memory torsh_ops.dtypes",
    "torsh_ops.autograd": "torsh_ops.tensor",
    "torsh_ops.kernels": "numpy numba llvmlite scipy_openblas32",
    "torsh_ops.threads": "torsh_ops.errors torsh_ops.kernels numpy numba",
    "torsh_ops.ops": "torsh_ops.autograd torsh_ops.kernels torsh_ops.threads",
    "torsh_ops.gradients": "torsh_ops.ops",
    "torsh_ops.fft": "torsh_ops.ops",
    "torsh_ops.linalg": "torsh_ops.ops",
    "torsh_ops.random": "torsh_ops.ops",
    "torsh_ops.special": "torsh_ops.ops",
    "torsh_ops.config": "torsh_ops.memory torsh_ops.dtypes torsh_ops.threads torsh_ops.kernels",
    "torsh_ops.nn": "torsh_ops.ops",
    "torsh_ops": "torsh_ops.gradients torsh_ops.config torsh_ops.nn torsh_ops.optim torsh_ops.fft torsh_ops.linalg "
    "torsh_ops.random torsh_ops.special",
    # These stand on nn and ops, not on one another; what an extra brings is imported by its own part alone.
    "torsh_ops.models": "torsh_ops torsh_ops.nn",
    "torsh_ops.optim": "torsh_ops torsh_ops.nn",
    "torsh_ops.distributed": "torsh_ops torsh_ops.nn mpi4py",
    "torsh_ops.edge": "torsh_ops torsh_ops.nn wasmtime ziglang onnx",
    "benchmarks.names": "",
    "benchmarks.workloads": "benchmarks.names numpy",
    "benchmarks.frameworks": "benchmarks.names numpy",
    "benchmarks.frameworks.torsh": "benchmarks.frameworks.torch torsh_ops",
    "benchmarks.frameworks.torch": "benchmarks.frameworks torch",
    "benchmarks.frameworks.tensorflow": "benchmarks.frameworks tensorflow",
    "benchmarks.frameworks.jax": "benchmarks.frameworks jax",
    "benchmarks.common": "benchmarks.workloads benchmarks.frameworks",
    # An area may name the part of torsh_ops that is its subject (edge, mobile, wasm, distributed, models).
    "benchmarks": "benchmarks.common torsh_ops.models torsh_ops.edge torsh_ops.distributed onnxruntime",
    "scripts": "benchmarks.workloads benchmarks.frameworks asv asv_runner asv_tachyon rich jinja2 scipy ruptures "
    "threadpoolctl numba llvmlite",
}


def owner(module: str) -> str:
    """The longest name in ARROWS that holds `module`; every benchmarks.<area> is an owner of its own."""
    key = max((k for k in ARROWS if f"{module}.".startswith(f"{k}.")), key=len, default=module.split(".")[0])
    return ".".join(module.split(".")[:2]) if key == "benchmarks" else key


def allowed(key: str) -> set[str]:
    names = set(ARROWS.get(key, ARROWS["benchmarks"] if key.startswith("benchmarks.") else "").split())
    # `import torsh_ops` is open to all above nn, and opens none of the parts that it brings along.
    return {key} | names.union(*(allowed(name) for name in names - {"torsh_ops"}))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    yield node
    if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from statements(child)


def imports(path: Path, package: list[str]) -> Iterator[tuple[int, str]]:
    for node in statements(ast.parse(path.read_text(), path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = [*above, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*module, alias.name])) for alias in node.names)


def strays(root: Path) -> list[str]:
    found = []
    for path in sorted(p for top in ("torsh_ops", "benchmarks", "scripts") for p in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        me = owner(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        if me == "torsh_ops" and parts != ("torsh_ops", "__init__"):
            found.append(f"{path.relative_to(root)} has no place in ARROWS")
        may = allowed(me)
        for line, name in imports(path, list(parts[:-1])):
            if owner(name) not in may and name.split(".")[0] not in sys.stdlib_module_names:
                found.append(f"{path.relative_to(root)}:{line} ({me}) imports {name}")
    return found


def test_the_imports_follow_the_arrows():
    found = strays(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("torsh_ops/ops/reduce.py", "import torch"),
        ("torsh_ops/kernels/reduce.py", "def f():\n    from ..memory import empty"),
        ("torsh_ops/tensor.py", "from .ops.reduce import sum"),
        ("torsh_ops/ops/reduce.py", "from torsh_ops import nn"),
        ("torsh_ops/optim/sgd.py", "from ..models import cnn"),
        ("torsh_ops/distributed/step.py", "from torsh_ops import optim"),
        ("torsh_ops/unnamed/part.py", "import math"),
        ("torsh_ops/edge/wasm.py", "from benchmarks import workloads"),
        ("benchmarks/mobile/softmax.py", "from ..wasm.softmax import Softmax"),
        ("benchmarks/workloads/ops.py", "import torsh_ops"),
        ("benchmarks/ops/softmax.py", "import torch"),
        ("scripts/commands/bench.py", "from torsh_ops import memory"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path, path, line):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line)
    assert len(strays(tmp_path)) == 1


IMPORT_AND_COUNT = """
import os
import numba, numpy
from numba.core import event
before = len(os.listdir("/proc/self/task"))
with event.install_recorder("numba:run_pass") as recorder:
    import torsh_ops
print(len(os.listdir("/proc/self/task")) - before, len(recorder.buffer))
"""


def test_importing_the_core_starts_no_thread_and_compiles_nothing(tmp_path):
    # A fresh cache, or a kernel compiled by an earlier import would only be loaded; nothing that holds threads back.
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    env["NUMBA_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-c", IMPORT_AND_COUNT]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0", "0"]
