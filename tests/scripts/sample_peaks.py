"""Peaks of a machine that does not exist, for what reads them."""

from scripts.machine import Bandwidth, Peaks

MIB = 1 << 20


def peaks(flops=100e9, **rates) -> Peaks:
    rows = (
        Bandwidth(MIB, "L2", **{"read": 40e9, "copy": 50e9, "triad": 60e9, **rates}),
        Bandwidth(100 * MIB, "memory", 10e9, 8e9, 9e9),
    )
    return Peaks("A CPU", "0.68", "AVX2", flops, rows)
