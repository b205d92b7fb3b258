"""Public operators by family. Importing this package gives Tensor its methods and the operators their gradients."""

from torsh_ops.ops import methods

methods.attach()
