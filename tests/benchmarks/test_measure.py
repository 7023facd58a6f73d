"""Measurement and comparison of functions."""

from benchmarks.measure import Comparison, compare, compare_all


def test_functions_run_in_turns_and_the_first_round_is_not_counted() -> None:
    runs: list[str] = []
    works = [lambda name=name: runs.append(name) for name in ("first", "second")]
    times_ms = compare_all(works, 2, before_each=lambda: runs.append("before"))
    assert runs == ["before", "first", "before", "second"] * 3
    assert [len(each) for each in times_ms] == [2, 2]


def count() -> int:
    return sum(range(10_000))


def test_comparison_has_a_ratio_for_each_round() -> None:
    assert len(compare(count, count, 2).ratios) == 2
    assert Comparison([4.0, 9.0], [2.0, 3.0]).ratios == [2.0, 3.0]


def test_table_has_minimum_median_and_maximum() -> None:
    rows = Comparison([1.0, 2.0, 6.0], [1.0, 1.0, 1.0]).rows("ours", "theirs").splitlines()
    assert [row.split()[-3:] for row in rows] == [
        ["min", "median", "max"], ["1.00", "2.00", "6.00"], ["1.00", "1.00", "1.00"], ["1.00", "2.00", "6.00"],
    ]  # fmt: skip
