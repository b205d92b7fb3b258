"""What every benchmark class stands on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common import _Timed

ROOT = Path(__file__).parents[2]
# A child that holds the write end of a pipe until it ends, and complains into it when nothing ended it for a minute.
CHILD = """
import os, signal, sys
from benchmarks.common import end_with_parent
end_with_parent()
signal.signal(signal.SIGALRM, lambda *_: os.write(int(sys.argv[1]), b"alive"))
signal.alarm(60)
print("begun", flush=True)
signal.pause()
"""
PARENT = """
import os, subprocess, sys
end = sys.argv[1]
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], end], pass_fds=[int(end)], stdout=subprocess.PIPE)
os.close(int(end))
assert child.stdout.readline() == b"begun\\n"
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_fork_server_ends_when_asv_is_killed():
    read, write = os.pipe()
    command = [sys.executable, "-c", PARENT, str(write), CHILD]
    with subprocess.Popen(command, cwd=ROOT, pass_fds=[write], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        os.close(write)
        assert parent.stdout.readline() == b"begun\n"
        parent.kill()
        # The end of the pipe: nobody holds its other end any more.
        assert os.read(read, 5) == b""
    os.close(read)


def test_a_cell_takes_few_samples_of_milliseconds():
    least, most, seconds = _Timed.repeat
    assert least <= most == 5
    assert _Timed.warmup_time + most * _Timed.sample_time < seconds
