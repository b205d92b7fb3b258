"""What is timed: asv imports every module below, so importing must stay cheap."""

from benchmarks.frameworks.threads import hold

# Before anything here loads NumPy: libraries read their variables once.
hold()
