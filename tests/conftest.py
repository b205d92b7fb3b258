"""What every test runs under, however pytest was started."""

import os

# Before anything imports NumPy: these cripple OpenBLAS on machines whose profile sets them.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
