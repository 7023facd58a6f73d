"""The bars of the flame graph."""

from observability.profiler.flame_graph import (
    LIBRARY_COLOR,
    MAX_FUNCTIONS,
    PROJECT_COLOR,
    WAITING_COLOR,
    FlameGraph,
    FlameSamples,
    to_speedscope,
)


def drawn(*stacks: tuple[str, float]) -> FlameSamples:
    """Return samples of stacks (`handle view query`). Names in capitals are functions of the project."""
    names: dict[str, int] = {}
    samples = [[names.setdefault(name, len(names)) for name in stack.split()] for stack, _ in stacks]
    return {
        "frames": [(name, "" if name.startswith("[") else f"{name}.py:1", name.isupper()) for name in names],
        "samples": samples,
        "weights_ms": [weight for _, weight in stacks],
        "left_out_ms": 0.0,
    }


SAMPLES = drawn(
    ("handle VIEW query", 3.0), ("handle VIEW", 1.0), ("handle VIEW render", 4.0), ("handle VIEW query", 2.0)
)


def bars_of(graph: FlameGraph) -> list[tuple[str, int, float, float]]:
    return [(bar.name, bar.y // 18, bar.x, bar.width) for bar in sorted(graph.bars, key=lambda bar: (bar.y, bar.x))]


def test_width_of_a_bar_is_its_share_of_the_total_time() -> None:
    assert bars_of(FlameGraph(SAMPLES)) == [("VIEW", 0, 0, 100), ("query", 1, 0, 50), ("render", 1, 50, 40)]


def test_graph_starts_at_the_frame_with_several_callees() -> None:
    assert bars_of(FlameGraph(drawn(("a b c", 1.0), ("a b d", 1.0))))[0] == ("b", 0, 0, 100)


def test_graph_from_a_frame_has_its_callers_above() -> None:
    whole = FlameGraph(SAMPLES)
    (query,) = (bar.number for bar in whole.bars if bar.name == "query")
    part = FlameGraph(SAMPLES, query)
    assert part.is_part
    assert (part.shown_ms, part.total_ms) == (5.0, 10.0)
    assert bars_of(part) == [("handle", 0, 0, 100), ("VIEW", 1, 0, 100), ("query", 2, 0, 100)]


def test_unknown_frame_shows_the_whole_graph() -> None:
    graph = FlameGraph(SAMPLES, 99)
    assert not graph.is_part
    assert bars_of(graph) == bars_of(FlameGraph(SAMPLES))


def test_too_narrow_bars_are_not_drawn() -> None:
    graph = FlameGraph(drawn(("VIEW long", 10_000.0), ("VIEW short", 1.0)))
    assert [bar.name for bar in graph.bars] == ["VIEW", "long"]


def test_color_shows_the_kind_of_code() -> None:
    graph = FlameGraph(drawn(("VIEW query", 1.0), ("VIEW [await]", 1.0)))
    assert {bar.name: bar.color for bar in graph.bars} == {
        "VIEW": PROJECT_COLOR,
        "query": LIBRARY_COLOR,
        "[await]": WAITING_COLOR,
    }


def test_functions_are_sorted_by_own_time() -> None:
    functions = FlameGraph(SAMPLES).functions
    assert [(each.name, each.self_ms, each.total_ms) for each in functions] == [
        ("query", 5.0, 5.0),
        ("render", 4.0, 4.0),
        ("VIEW", 1.0, 10.0),
    ]


def test_recursive_function_is_counted_once_in_a_stack() -> None:
    assert FlameGraph(drawn(("F g F g F", 2.0))).functions[0].total_ms == 2.0


def test_number_of_functions_is_limited() -> None:
    assert len(FlameGraph(drawn(*((f"VIEW f{number}", 1.0) for number in range(50)))).functions) == MAX_FUNCTIONS


def test_very_deep_stack_is_drawn() -> None:
    graph = FlameGraph(drawn((" ".join(f"f{number}" for number in range(5_000)), 1.0), ("f0 other", 1.0)))
    assert len(graph.bars) == 5_001


def test_graph_without_samples_has_no_bars() -> None:
    graph = FlameGraph(drawn())
    assert (graph.bars, graph.functions, graph.total_ms) == ([], [], 0.0)


def test_speedscope_file_has_each_sample_with_its_weight() -> None:
    file = to_speedscope(SAMPLES, "GET /books/")
    (profile,) = file["profiles"]
    assert (profile["type"], profile["unit"], profile["endValue"]) == ("sampled", "milliseconds", 10.0)
    named = [[file["shared"]["frames"][number]["name"] for number in stack] for stack in profile["samples"]]
    assert named[0] == ["handle", "VIEW", "query"]
    assert len(profile["weights"]) == len(named)
    assert file["shared"]["frames"][0] == {"name": "handle", "file": "handle.py", "line": 1}
