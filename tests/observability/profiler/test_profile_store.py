"""The store of profiles: write, find and delete them, also with concurrent processes."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from observability.profiler import profile_store
from observability.profiler.profile_store import MAX_PANEL_BYTES, ProfileFilter, ProfileRow, ProfileStore
from tests.observability.profiler.conftest import Begin, open_store
from tests.observability.profiler.pages.conftest import profile, statement
from tests.server import ROOT

# After a line on stdin, write profiles: the second argument is a part of their ids, the third their number.
WRITER = """
import sys
from pathlib import Path
from observability.profiler import profile_file
from observability.profiler.profile_store import ProfileStore
from tests.observability.profiler.conftest import values
profile_file.LOCK_TIMEOUT_S = 20
store, name = ProfileStore(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
input()
for number in range(int(sys.argv[3])):
    profile_id = f"{name}-{number}"
    begun = store.begin(values(profile_id), {"SQLPanel": profile_id})
    store.close(begun, profile_id, {"status": 200}, {"profile": profile_id.encode()})
"""


def ids(rows: Sequence[ProfileRow]) -> list[str]:
    return [row.id for row in rows]


def row_of(store: ProfileStore, profile_id: str) -> ProfileRow:
    row = store.row(profile_id)
    assert row is not None
    return row


def document(store: ProfileStore, profile_id: str, kind: str = "profile") -> bytes | None:
    return store.document(row_of(store, profile_id).number, kind)


def write_at_once(path: Path, names: str, count: int) -> None:
    """Start a process per name. All processes start at the same moment to write this number of profiles."""
    pipe = subprocess.PIPE
    commands = [[sys.executable, "-c", WRITER, str(path), name, str(count)] for name in names]
    processes = [subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) for command in commands]
    assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * len(names)
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * len(names)


def test_request_whose_response_started_is_running(store: ProfileStore, begin: Begin) -> None:
    begin("a", route="/books/", status=200)
    row = row_of(store, "a")
    assert (row.state, row.request_id, row.method, row.route, row.status) == (
        "running", "request-a", "GET", "/books/", 200,
    )  # fmt: skip


def test_closed_request_has_its_values_and_documents(store: ProfileStore, begin: Begin) -> None:
    begin("a", status=200, query_count=1)
    store.close(1, "a", {"status": 500, "query_count": 7}, {"profile": b"{}", "flame": b"[]"})
    row = row_of(store, "a")
    assert (row.state, row.status, row.query_count) == ("closed", 500, 7)
    assert (document(store, "a"), document(store, "a", "flame")) == (b"{}", b"[]")


def test_running_request_has_no_document(store: ProfileStore, begin: Begin) -> None:
    begin("a")
    assert document(store, "a") is None


def test_unknown_id_has_no_row(store: ProfileStore, begin: Begin) -> None:
    begin("a")
    assert store.row("b") is None


def test_request_of_a_dead_process_is_lost(store: ProfileStore, begin: Begin) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    begin("a", process=process.pid)
    assert row_of(store, "a").state == "lost"


def test_request_of_another_live_process_is_running(store: ProfileStore, begin: Begin) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    begin("a", process=process.pid)
    try:
        assert row_of(store, "a").state == "running"
    finally:
        process.communicate()


def test_request_of_a_process_of_another_user_is_running(store: ProfileStore, begin: Begin) -> None:
    # Only root may send a signal to this process.
    begin("a", process=1)
    assert row_of(store, "a").state == "running"


def test_closed_request_is_not_lost_if_its_process_ends(store: ProfileStore, begin: Begin) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    begin("a", process=process.pid)
    store.close(1, "a", {"status": 200}, {})
    assert row_of(store, "a").state == "closed"


def test_rows_are_newest_first_and_limited(store: ProfileStore, begin: Begin) -> None:
    for profile_id in "abc":
        begin(profile_id)
    assert ids(store.rows()) == ["c", "b", "a"]
    assert ids(store.rows(limit=2)) == ["c", "b"]


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("books", ["a_b", "percent", "upper", "plain"]),
        ("BOOKS/1/", ["upper"]),
        ("%", ["percent"]),
        ("a_b", ["a_b"]),
        ("/other", []),
    ],
)
def test_requests_are_found_by_a_part_of_the_path(
    store: ProfileStore, begin: Begin, part: str, found: list[str]
) -> None:
    begin("plain", path="/books/")
    begin("upper", path="/Books/1/")
    begin("percent", path="/books/100%/")
    begin("a_b", path="/books/a_b/axb/")
    begin("axb", path="/axb/")
    assert ids(store.rows(ProfileFilter(path=part))) == found


def test_requests_are_found_by_a_part_of_the_query(store: ProfileStore, begin: Begin) -> None:
    begin("a", path="/books/", query="page=2")
    begin("b", path="/books/", query="page=3")
    begin("c", path="/books/")
    assert ids(store.rows(ProfileFilter(path="books/?PAGE=2"))) == ["a"]
    assert [row.url for row in store.rows()] == ["/books/", "/books/?page=3", "/books/?page=2"]


@pytest.mark.parametrize(
    ("statuses", "found"),
    [((404, 404), ["missing"]), ((400, 499), ["refused", "missing", "bad"]), ((500, 599), ["failed"])],
)
def test_requests_are_found_by_a_range_of_statuses(
    store: ProfileStore, begin: Begin, statuses: tuple[int, int], found: list[str]
) -> None:
    known = {"good": 399, "bad": 400, "missing": 404, "refused": 499, "failed": 500, "unknown": None}
    for name, status in known.items():
        begin(name, status=status)
    assert ids(store.rows(ProfileFilter(statuses=statuses))) == found


def test_requests_are_found_by_a_minimum_duration(store: ProfileStore, begin: Begin) -> None:
    for name, duration_ms in {"fast": 9.9, "even": 10.0, "slow": 250.5, "unknown": None}.items():
        begin(name, duration_ms=duration_ms)
    assert ids(store.rows(ProfileFilter(min_ms=10))) == ["slow", "even"]


def test_all_profiles_of_a_request_id_are_found(store: ProfileStore, begin: Begin) -> None:
    begin("a", request_id="twice-00")
    begin("b", request_id="once-000")
    begin("c", request_id="twice-00")
    assert ids(store.rows(ProfileFilter(request_id="twice-00"))) == ["c", "a"]


def test_filters_are_combined(store: ProfileStore, begin: Begin) -> None:
    begin("a", status=200, duration_ms=50.0)
    begin("b", status=500, duration_ms=50.0)
    begin("c", status=500, duration_ms=5.0)
    begin("d", status=500, duration_ms=50.0, path="/else/")
    assert ids(store.rows(ProfileFilter(path="book", statuses=(500, 599), min_ms=10))) == ["b"]


def test_previous_request_has_the_same_method_and_route(store: ProfileStore, begin: Begin) -> None:
    begin("first", route="/books/<pk>/", path="/books/1/")
    begin("other method", route="/books/<pk>/", path="/books/3/", method="POST")
    begin("other route", route="/books/", path="/books/")
    begin("last", route="/books/<pk>/", path="/books/2/")
    previous = store.previous(row_of(store, "last"))
    assert previous is not None
    assert previous.id == "first"
    assert store.previous(previous) is None


def test_previous_request_without_a_route_has_the_same_path(store: ProfileStore, begin: Begin) -> None:
    begin("first", path="/nowhere/")
    begin("other path", path="/elsewhere/")
    begin("with a route", path="/nowhere/", route="/nowhere/")
    begin("last", path="/nowhere/")
    previous = store.previous(row_of(store, "last"))
    assert previous is not None
    assert previous.id == "first"


def test_repeats_of_a_request_are_found_newest_first(store: ProfileStore, begin: Begin) -> None:
    begin("a")
    begin("b", repeat_of="a")
    begin("c", repeat_of="b")
    begin("d", repeat_of="a")
    assert ids(store.repeats("a")) == ["d", "b"]


# Panels of the toolbar


def test_panels_belong_to_their_request(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "[1]", "TimerPanel": "{}"}, toolbar_id="t-a")
    begin("b", {"SQLPanel": "[2]"}, toolbar_id="t-b")
    assert store.panels("t-a") == {"SQLPanel": "[1]", "TimerPanel": "{}"}
    assert (store.panel("t-b", "SQLPanel"), store.panel("t-b", "TimerPanel")) == ("[2]", None)


def test_later_panel_is_added_or_replaces_the_panel_with_its_name(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "old", "TimerPanel": "{}"}, toolbar_id="t-a")
    store.save_panels("t-a", {"SQLPanel": "new", "HistoryPanel": "[]"})
    assert store.panels("t-a") == {"SQLPanel": "new", "TimerPanel": "{}", "HistoryPanel": "[]"}


def test_panels_of_a_deleted_profile_are_not_stored(store: ProfileStore, begin: Begin) -> None:
    begin("a")
    store.save_panels("t-gone", {"SQLPanel": "[]"})
    assert store.panels("t-gone") == {}


def test_too_large_panel_is_not_stored(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "x" * (MAX_PANEL_BYTES + 1), "TimerPanel": "{}"}, toolbar_id="t-a")
    assert store.panels("t-a") == {"TimerPanel": "{}"}


def test_panel_of_exactly_the_maximum_size_is_stored(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "x" * MAX_PANEL_BYTES}, toolbar_id="t-a")
    assert list(store.panels("t-a")) == ["SQLPanel"]


def test_toolbar_ids_are_of_the_newest_requests_oldest_first(store: ProfileStore, begin: Begin) -> None:
    for profile_id in "abcd":
        begin(profile_id, toolbar_id=None if profile_id == "c" else f"t-{profile_id}")
    assert store.toolbar_ids(2) == ["t-b", "t-d"]
    assert [store.has_toolbar(f"t-{profile_id}") for profile_id in "ac"] == [True, False]


def test_clearing_one_request_of_the_toolbar_keeps_the_others_and_all_rows(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "[1]"}, toolbar_id="t-a")
    begin("b", {"SQLPanel": "[2]"}, toolbar_id="t-b")
    store.clear_panels("t-a")
    assert (store.panels("t-a"), store.panels("t-b")) == ({}, {"SQLPanel": "[2]"})
    assert store.toolbar_ids(9) == ["t-b"]
    assert ids(store.rows()) == ["b", "a"]


def test_clearing_the_toolbar_keeps_all_rows(store: ProfileStore, begin: Begin) -> None:
    begin("a", {"SQLPanel": "[1]"}, toolbar_id="t-a")
    begin("b", {"SQLPanel": "[2]"}, toolbar_id="t-b")
    store.clear_panels()
    assert (store.toolbar_ids(9), store.panels("t-a"), store.panels("t-b")) == ([], {}, {})
    assert ids(store.rows()) == ["b", "a"]


# Deletion


def test_oldest_profiles_are_deleted_with_their_documents_and_panels(
    store: ProfileStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "MAX_PROFILES", 2)
    monkeypatch.setattr(profile_store, "DELETE_BATCH", 1)
    begin("a", {"SQLPanel": "[]"}, toolbar_id="t-a")
    store.close(1, "a", {"status": 200}, {"profile": b"a"})
    number = row_of(store, "a").number
    begin("b")
    assert (document(store, "a"), store.panels("t-a")) == (b"a", {"SQLPanel": "[]"})
    begin("c")
    assert ids(store.rows()) == ["c", "b"]
    assert rows_in_tables(store, number) == [0, 0, 0]


def test_closing_a_deleted_profile_does_nothing(
    store: ProfileStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "MAX_PROFILES", 1)
    monkeypatch.setattr(profile_store, "DELETE_BATCH", 1)
    begin("a")
    number = row_of(store, "a").number
    begin("b")
    store.close(1, "a", {"status": 200}, {"profile": b"a"})
    assert ids(store.rows()) == ["b"]
    assert rows_in_tables(store, number) == [0, 0, 0]


def test_oldest_profiles_are_deleted_in_batches(
    store: ProfileStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "MAX_PROFILES", 4)
    monkeypatch.setattr(profile_store, "DELETE_BATCH", 3)
    kept = []
    for number in range(1, 13):
        begin(f"{number}")
        with store.file.reading() as connection:
            kept.append(connection.execute("SELECT count(*) FROM profile").fetchone()[0])
    assert kept[5:] == [4, 5, 6, 4, 5, 6, 4]


def test_profile_of_a_deleted_file_does_not_change_another_profile(store: ProfileStore, begin: Begin) -> None:
    number = begin("a")
    store.file.path.unlink()
    assert begin("b") == number
    store.close(number, "a", {"status": 500}, {"profile": b"a"})
    assert [(row.id, row.status) for row in store.rows()] == [("b", None)]
    assert store.document(number, "profile") is None


def test_oldest_profiles_are_deleted_if_the_file_is_too_large(
    store: ProfileStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "MAX_BYTES", 512 * 1024)
    monkeypatch.setattr(profile_store, "DELETE_BATCH", 3)
    for number in range(40):
        begun = begin(f"{number}")
        store.close(begun, f"{number}", {"status": 200}, {"profile": b"x" * 32 * 1024})
    kept = ids(store.rows())
    # Twice the maximum size was written. The newest profiles are kept, without gaps, and more than one.
    assert kept == [f"{number}" for number in range(39, 39 - len(kept), -1)]
    assert 10 < len(kept) <= 16 + 3
    assert store.file.path.stat().st_size < 2 * 512 * 1024


def test_profile_over_the_size_limit_is_kept_until_the_next_one(
    store: ProfileStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "MAX_BYTES", 64 * 1024)
    monkeypatch.setattr(profile_store, "DELETE_BATCH", 1)
    begin("a", {"SQLPanel": "x" * 256 * 1024}, toolbar_id="t-a")
    assert ids(store.rows()) == ["a"]
    begin("b")
    assert ids(store.rows()) == ["b"]


def rows_in_tables(store: ProfileStore, number: int) -> list[int]:
    """Return the number of rows of this profile in each table."""
    with store.file.reading() as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {table} WHERE number = ?", (number,)).fetchone()[0]
            for table in ("profile", "document", "panel")
        ]


# Concurrent writes


def test_concurrent_threads_lose_no_profile(store: ProfileStore, begin: Begin) -> None:
    def write(name: str) -> None:
        for number in range(50):
            begun = begin(f"{name}-{number}", {"SQLPanel": "[]"}, toolbar_id=f"t-{name}-{number}")
            store.close(begun, f"{name}-{number}", {"status": 200}, {"profile": f"{name}-{number}".encode()})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, "ab"))
    rows = store.rows()
    assert {row.id for row in rows} == {f"{name}-{number}" for name in "ab" for number in range(50)}
    assert {row.state for row in rows} == {"closed"}
    assert all(store.document(row.number, "profile") == row.id.encode() for row in rows)


@pytest.mark.slow
def test_concurrent_processes_with_a_new_file_lose_no_profile(path: Path) -> None:
    write_at_once(path, "abc", 20)
    with open_store(path) as store:
        rows = store.rows()
        assert {row.id for row in rows} == {f"{name}-{number}" for name in "abc" for number in range(20)}
        assert {row.state for row in rows} == {"closed"}
        assert all(store.document(row.number, "profile") == row.id.encode() for row in rows)


def test_profile_is_immediately_visible_to_other_processes(store: ProfileStore, path: Path) -> None:
    assert store.rows() == []
    write_at_once(path, "a", 1)
    assert ids(store.rows()) == ["a-0"]


def test_repeated_statements_ran_more_than_once_and_are_most_frequent_first() -> None:
    found = profile([], [statement("a", 2), statement("b"), statement("c", 5), statement("d", 3)]).repeated_statements
    assert [(each["text"], each["count"]) for each in found] == [("c", 5), ("d", 3), ("a", 2)]
