"""Tags: a line each, whatever happened to the line before."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import tags
from scripts.conditions import Conditions
from scripts.tags import Tag

TAG = Tag(
    commit="1" * 40,
    environment="env",
    benchmark="ops.Add.time_call",
    version="1",
    started_at=1_700_000_000_000,
    added=False,
    medians=(1.25e-6, None),
    spreads=(0.01, None),
    rounds_left=0,
    run="2026-01-01 00:00:00.000",
    conditions=Conditions(seconds=1.5, load=0.25, cores=2, steal=0.005),
)


def test_what_was_written_is_read_in_its_order(tmp_path):
    path = tmp_path / "1.tags"
    other = replace(TAG, benchmark="ops.Mul.time_call", rounds_left=3, added=True)
    tags.append(path, TAG, first=True)
    tags.append(path, other, first=False)
    # Another process, which belongs to no run.
    tags.append(path, alone := replace(TAG, run=None, environment="env2"), first=True)
    assert list(tags.read(path)) == [TAG, other, alone]
    assert len(path.read_text().splitlines()) == 5


@given(st.data())
def test_a_file_cut_anywhere_loses_its_last_line_alone(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "1.tags"
    for number in range(4):
        tags.append(path, replace(TAG, started_at=number), first=number % 2 == 0)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    left = list(tags.read(path))
    assert [tag.started_at for tag in left] == list(range(len(left)))
    tags.append(path, replace(TAG, started_at=9), first=True)
    assert list(tags.read(path))[-1] == replace(TAG, started_at=9)
    assert len(list(tags.read(path))) >= len(left)


@pytest.mark.parametrize("line", ["[]", "3", "null", '{"benchmark": "x"}', "\x00\xff", '{"environment": 3}'])
def test_a_line_of_something_else_is_left_out(tmp_path, line):
    path = tmp_path / "1.tags"
    tags.append(path, TAG, first=True)
    with path.open("a") as file:
        file.write(line + "\n")
    tags.append(path, TAG, first=True)
    assert list(tags.read(path)) == [TAG, TAG]


def test_files_of_one_machine_or_of_all_are_read_and_a_missing_one_is_none(tmp_path):
    assert list(tags.read(tmp_path / "absent.tags")) == []
    for machine in ("box", "box[1]"):
        (tmp_path / machine).mkdir()
        tags.append(tmp_path / machine / "1.tags", replace(TAG, commit=machine), first=True)
    assert [tag.commit for tag in tags.read_all(tmp_path, "box[1]")] == ["box[1]"]
    assert {tag.commit for tag in tags.read_all(tmp_path)} == {"box", "box[1]"}


def test_the_spread_is_that_of_normal_noise_and_one_slow_sample_moves_it_little():
    assert tags.spread([0.99, 1.0, 1.01]) == pytest.approx(0.014826)
    assert tags.spread([0.99, 1.0, 1.01, 1.0, 50.0]) == pytest.approx(0.014826)
    assert tags.spread([1.0, 2.0]) is None
    assert tags.spread(None) is None
