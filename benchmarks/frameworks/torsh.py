"""torsh_ops: PyTorch's API, so PyTorch's adapter on another module."""

from typing import Any

from benchmarks.frameworks import torch


class Framework(torch.Framework):
    """torsh_ops in inference mode, or its autograd; operators that a commit lacks are n/a at it."""

    name = "torsh"
    package = "torsh_ops"
    functional = "torsh_ops.nn.functional"

    def norm(self, x: Any) -> Any:
        """Euclidean norm of all elements."""
        return self.module.norm(x)
