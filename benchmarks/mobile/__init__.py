"""Phones: the core's kernels compiled for ARM and run under an emulator, which counts instructions."""
