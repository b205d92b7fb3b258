"""How long a command takes to begin, in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from asv.util import UserError

from .progress import Progress

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "this suite": ("-m", "scripts", "--help"),
    "stock asv": ("-m", "asv", "--help"),
    "python": ("-c", "pass"),
}


def measure(times: int, progress: Progress) -> dict[str, Any]:
    """Start each of COMMANDS `times` times, in turn; gives median seconds."""
    progress.say(f"starting each command {times} times")
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(times):
        for name, words in COMMANDS.items():
            start = time.perf_counter()
            done = subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ, capture_output=True, text=True)
            seconds[name].append(time.perf_counter() - start)
            if done.returncode:
                raise UserError(f"python {' '.join(words)} failed: {done.stderr.strip()[-300:]}")
    return {"times": times, "seconds": {name: median(values) for name, values in seconds.items()}}
