"""Graphs that remember: the same data and the same graphs as asv's, also after another point."""

from asv.graph import GraphSet

from scripts.site import graphs


def test_data_is_worked_out_once_and_again_after_another_point():
    graphs.install()
    every = GraphSet()
    graph = every.get_graph("a.time_b", {"machine": "box", "python": "3.11"})
    graph.add_data_point(1, 2.0)
    assert graph.get_data() == [(1, 2.0, None)]
    assert graph.get_data() is graph.get_data()
    graph.add_data_point(2, 4.0)
    graph.add_data_point(1, 3.0)
    assert graph.get_data() == [(1, 2.5, None), (2, 4.0, None)]


def test_a_graph_is_found_by_its_benchmark_and_parameters_in_any_order():
    graphs.install()
    every = GraphSet()
    one = every.get_graph("a.time_b", {"machine": "box", "python": "3.11", "mkl": None})
    assert every.get_graph("a.time_b", {"python": "3.11", "mkl": None, "machine": "box"}) is one
    assert every.get_graph("a.time_b", {"machine": "box", "python": "3.12", "mkl": None}) is not one
    assert every.get_graph("a.time_c", {"machine": "box", "python": "3.11", "mkl": None}) is not one
    assert len(every) == 3
    assert GraphSet().get_graph("a.time_b", {"machine": "box", "python": "3.11", "mkl": None}) is not one
