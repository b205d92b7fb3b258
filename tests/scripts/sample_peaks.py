"""Peaks of a machine that does not exist, for what reads them."""

from scripts.machine import Bandwidth, Latency, Peaks, Together

MIB = 1 << 20


def peaks(flops=100e9, **rates) -> Peaks:
    moves = {"read": 40e9, "copy": 50e9, "triad": 60e9, "copy_past": 30e9, "triad_past": 20e9, **rates}
    memory = Bandwidth(100 * MIB, "memory", 10e9, 8e9, 7e9, 9e9, 9.5e9)
    latencies = (Latency(MIB, "L2", 4e-9), Latency(100 * MIB, "memory", 90e-9))
    together = Together(2, 2 * flops, memory)
    return Peaks("A CPU", "0.68", "AVX2", flops, (Bandwidth(MIB, "L2", **moves), memory), latencies, together)
