"""A row kernel in wasmtime: one instance, its memory, and the call."""

import numpy as np

_PAGE = 65536


class RowKernel:
    """The function `name` (float *x, float *y, int rows, int columns) of a WebAssembly module.

    Raises NotImplementedError when wasmtime is not installed.
    """

    def __init__(self, module: bytes, name: str):
        try:
            import wasmtime
        except ImportError as error:
            raise NotImplementedError("wasmtime is not installed: pip install torsh-ops[edge]") from error
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        exports = wasmtime.Instance(self._store, wasmtime.Module(engine, module), []).exports(self._store)
        self._memory, self._function = exports["memory"], exports[name]
        # 64 bytes: a cache line, and more than the widest vector of the instruction set.
        self._free = -(-exports["__heap_base"].value(self._store) // 64) * 64

    def place(self, x: np.ndarray) -> None:
        """Copy the float32 matrix `x` into the module's memory; `run` computes on it."""
        self._x, self._y = self._free, self._free + x.nbytes
        self._shape, self._nbytes = x.shape, x.nbytes
        missing = self._y + x.nbytes - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // _PAGE))
        self._memory.write(self._store, x.tobytes(), self._x)
        self._arguments = (self._store, self._x, self._y, *x.shape)

    def run(self) -> int:
        """Call the function once; 0 when it worked."""
        return self._function(*self._arguments)

    def result(self) -> np.ndarray:
        """What the last run wrote."""
        data = self._memory.read(self._store, self._y, self._y + self._nbytes)
        return np.frombuffer(data, np.float32).reshape(self._shape)
