"""The unit of a description: something known of a machine, or not told by the source that would know it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One thing about a machine: `value` fits into JSON and is None where `source` told nothing; `shown` words it."""

    name: str
    value: Any
    source: str
    shown: str = ""

    @property
    def text(self) -> str:
        """The value as a person reads it; where there is none, which source told nothing."""
        if self.value is None:
            return f"not told: {self.source}"
        return self.shown or ("yes" if self.value is True else "no" if self.value is False else str(self.value))


Sections = Mapping[str, tuple[Fact, ...]]


def values(sections: Sections) -> dict[str, Any]:
    """Every fact's value by its name."""
    return {fact.name: fact.value for facts in sections.values() for fact in facts}


def listed(names: Iterable[object]) -> str:
    """Names in one line."""
    return ", ".join(map(str, names))
