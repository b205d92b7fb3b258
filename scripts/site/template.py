"""Our pages: each is one file that needs no other and no network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2


def render(name: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """Fill in the template `name` of this folder."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(filters)
    return environment.get_template(name).render(**values)
