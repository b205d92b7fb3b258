"""What every test runs under, however pytest was started."""

import gc
import os
import signal

# Before anything imports NumPy: these cripple OpenBLAS on machines whose profile sets them.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

# What `nohup` or a shell's `&` starts is deaf to Ctrl-C, and hands that on to all that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Collecting six thousand tests makes a million objects that stay: to look for garbage among them took a third of the
# time, and afterwards 0.2 s of every full collection.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on what tests leave is collected, and only that is looked at."""
    gc.freeze()
    gc.enable()
