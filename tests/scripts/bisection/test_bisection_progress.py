"""What is kept of a bisection."""

import pytest
from asv.util import UserError

from scripts.bisection.progress import Launch, Progress

ASKED = {"commits": ["a", "b"], "benchmarks": "x", "faster": False}


def kept(folder, **changes) -> Progress:
    progress = Progress.open(folder, ASKED)
    progress.launches += [Launch("a", 1.5, {"x": 1.5}, 0), Launch("b", 2.0, {"x": 2.0}, 0)]
    progress.broken["c"] = "does not build"
    progress.checked, progress.cells = ["a", "b"], ["x"]
    progress.save()
    return progress


def test_it_goes_on_where_it_was_and_knows_that_it_was_interrupted(tmp_path):
    before = kept(tmp_path)
    after = Progress.open(tmp_path, ASKED)
    assert (after.launches, after.broken, after.cells) == (before.launches, before.broken, before.cells)
    assert (before.session, after.session) == (0, 1)


def test_another_question_and_a_restart_begin_anew(tmp_path):
    kept(tmp_path)
    assert Progress.open(tmp_path, {**ASKED, "faster": True}).launches == []
    assert Progress.open(tmp_path, ASKED, restart=True).launches == []


@pytest.mark.parametrize("damage", ["cut short", "NaN", "negative", "not ours", "empty"])
def test_a_damaged_file_is_named_with_the_way_out_and_left_alone(tmp_path, damage):
    file = kept(tmp_path).file
    whole = file.read_text()
    text = {
        "cut short": whole[: len(whole) // 2],
        "NaN": whole.replace("1.5", "NaN"),
        "negative": whole.replace("1.5", "-1.5"),
        "not ours": '{"launches": [{}]}',
        "empty": "",
    }[damage]
    file.write_text(text)
    with pytest.raises(UserError, match="--restart") as told:
        Progress.open(tmp_path, ASKED)
    assert str(file) in str(told.value)
    assert file.read_text() == text
