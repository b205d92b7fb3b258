"""What asv loads from asv.conf.json: durable results and our pages, for `asv` and for `python -m scripts` alike."""

import os
import sys
from pathlib import Path

from . import durable
from .site import graphs, publisher, regressions


def setup() -> None:
    """Called by asv when it has imported this module; importing these has registered the site's pages."""
    _find_this_python_first()
    durable.install()
    publisher.install()
    regressions.install()
    graphs.install()


def _find_this_python_first() -> None:
    # asv looks for `python3.12` along PATH, where a shim of pyenv answers to versions that it then refuses to run.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
