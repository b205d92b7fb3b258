"""What every test runs under, however pytest was started."""

import os
import signal

# Before anything imports NumPy: these cripple OpenBLAS on machines whose profile sets them.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

# What `nohup` or a shell's `&` starts is deaf to Ctrl-C, and hands that on to all that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
