"""What asv loads from asv.conf.json: durable results and our pages, for `asv` and for `python -m scripts` alike."""

from . import durable
from .site import graphs, publisher, regressions


def setup() -> None:
    """Called by asv when it has imported this module; importing these has registered the site's pages."""
    durable.install()
    publisher.install()
    regressions.install()
    graphs.install()
