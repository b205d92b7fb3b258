"""Lets asv's graphs remember what a publish asks of them again and again.

asv works a graph's data out four times (steps, summary, overview, file), and a graph's path for every result of every
commit: a quarter of the time of a publish of 300 commits with 100 benchmarks.
"""

from collections.abc import Callable
from typing import Any

from asv.graph import Graph, GraphSet


def install() -> None:
    """Make asv's graphs remember in this process; a second call changes nothing."""
    if Graph.get_data.__module__ == __name__:
        return
    Graph.get_data = _remembered(Graph.get_data)
    Graph.add_data_point = _forgotten(Graph.add_data_point)
    GraphSet.get_graph = _looked_up(GraphSet.get_graph)


def _remembered(get_data: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any) -> Any:
        if not hasattr(self, "data_so_far"):
            self.data_so_far = get_data(self)
        return self.data_so_far

    return get


def _forgotten(add_data_point: Callable[..., None]) -> Callable[..., None]:
    def add(self: Any, *args: Any, **options: Any) -> None:
        vars(self).pop("data_so_far", None)
        add_data_point(self, *args, **options)

    return add


def _looked_up(get_graph: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any, benchmark_name: str, params: Any) -> Any:
        known = vars(self).setdefault("by_params", {})
        key = (benchmark_name, *sorted(params.items()))
        if key not in known:
            known[key] = get_graph(self, benchmark_name, params)
        return known[key]

    return get
