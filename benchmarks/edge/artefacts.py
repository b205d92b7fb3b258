"""What the runtimes read: the parameters, the ONNX file, an input and the answer to it."""

from pathlib import Path
from typing import Any

import numpy as np


def prepare(folder: Path) -> dict[str, str]:
    """Write SmallCNN with seeded parameters into `folder`; return, by runtime, why there is nothing for it.

    Raises NotImplementedError when torsh_ops has no such model at this commit.
    """
    try:
        import torsh_ops
        from torsh_ops.edge import ExportError, export_onnx
        from torsh_ops.models import SmallCNN
    except ImportError as error:
        raise NotImplementedError(f"torsh_ops has no SmallCNN to export at this commit: {error}") from error
    torsh_ops.manual_seed(20260101)
    model = SmallCNN().eval()
    x = torsh_ops.randn(1, 3, 32, 32)
    with torsh_ops.no_grad():
        expected = model(x)
    state: dict[str, Any] = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    np.savez(folder / "model.npz", **state)
    np.save(folder / "input.npy", x.numpy())
    np.save(folder / "expected.npy", expected.numpy())
    try:
        export_onnx(model, x, folder / "model.onnx", input_names=["input"])
    except ExportError as error:
        return {"onnxruntime": str(error)}
    return {}
