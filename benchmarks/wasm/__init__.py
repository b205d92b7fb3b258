"""WebAssembly: the core's kernels compiled to wasm32 and run in wasmtime."""
