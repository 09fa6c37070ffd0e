"""The listening test on the server: drawn orders, what clients can know, what is kept, and bad requests."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from helpers.made_up_pairs import COMPOSED_PITCH, REAL_PITCH, listening_test, write_pairs
from helpers.running_server import RunningServer, serving
from playbach.server import blind_test, page
from playbach.server.blind_test import LISTENER_IDLE_SECONDS, AnswerFile, BlindTest, by_guessing, read_pairs
from playbach.server.blind_test_protocol import AnswerPair, PairShown, TestResult
from playbach.server.schema import MessageRejected, write
from playbach.system.errors import PlaybachError, UsageError

PAIRS = 3


@dataclass
class Made:
    """A listening test with a clock that stands still, and its file of answers."""

    path: Path
    now: float = 0.0
    test: BlindTest = field(init=False)

    def __post_init__(self) -> None:
        self.test = BlindTest(
            listening_test(PAIRS),
            AnswerFile(self.path),
            rng=random.Random(1),
            clock=lambda: self.now,
            today=lambda: date(2026, 3, 4),
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "answers.jsonl")


def shown(message: PairShown | TestResult) -> PairShown:
    assert isinstance(message, PairShown)
    return message


def ended(message: PairShown | TestResult) -> TestResult:
    assert isinstance(message, TestResult)
    return message


def real_side(pair: PairShown) -> str:
    """By the made-up notes; real ones do not tell."""
    lowest = {"a": pair.a.notes[0].pitch, "b": pair.b.notes[0].pitch}
    assert set(lowest.values()) == {REAL_PITCH, COMPOSED_PITCH}
    return min(lowest, key=lambda side: lowest[side])


def answer(test: BlindTest, pair: PairShown, right: bool = True, sure: int | None = None) -> PairShown | TestResult:
    chosen = real_side(pair) if right else ({"a", "b"} - {real_side(pair)}).pop()
    return test.answer(AnswerPair(session=pair.session, pair=pair.pair, chosen=chosen, sure=sure))


def test_a_whole_session_is_revealed_and_kept(made: Made) -> None:
    pair = shown(made.test.begin("plays"))
    assert (pair.pair, pair.pairs) == (1, PAIRS)
    pair = shown(answer(made.test, pair, right=True, sure=3))
    pair = shown(answer(made.test, pair, right=False))
    assert made.lines() == []
    result = ended(answer(made.test, pair, right=True, sure=1))
    assert (result.right, result.kept, result.chance) == (2, True, 0.5)
    assert [a.chosen == a.real for a in result.answers] == [True, False, True]
    (line,) = made.lines()
    assert line.keys() == {"date", "model", "bundle", "test_seed", "skill", "complete", "answers"}
    assert (line["date"], line["skill"], line["complete"]) == ("2026-03-04", "plays", True)
    assert [(a["real"] == a["chosen"], a["sure"]) for a in line["answers"]] == [(True, 3), (False, None), (True, 1)]
    assert sorted(a["pair"] for a in line["answers"]) == [1, 2, 3]
    for kept, told in zip(line["answers"], result.answers):
        assert kept["piece"] == told.piece == f"BWV {kept['pair']}" and kept["seed"] == told.seed
        assert (kept["real"], kept["chosen"]) == (told.real, told.chosen)


def test_nothing_before_the_end_tells_which_is_which(made: Made) -> None:
    pair = shown(made.test.begin("none"))
    for _ in range(PAIRS):
        text = write(pair)
        assert json.loads(text).keys() == {"type", "session", "pair", "pairs", "voices", "a", "b"}
        assert not any(word in text for word in ("BWV", "real", "composed", "seed", "piece", "bundle"))
        following = answer(made.test, pair)
        if isinstance(following, PairShown):
            pair = following


def test_orders_are_drawn_for_each_listener(made: Made) -> None:
    firsts, sides = Counter[str](), Counter[str]()
    for _ in range(400):
        pair = shown(made.test.begin("none"))
        sides[real_side(pair)] += 1
        result = ended(made.test.stop(pair.session))
        assert result.answers == ()
        following: PairShown | TestResult = shown(made.test.begin("none"))
        while isinstance(following, PairShown):
            following = answer(made.test, following)
        firsts[following.answers[0].piece] += 1
    assert all(100 < firsts[f"BWV {i + 1}"] < 170 for i in range(PAIRS))
    assert 160 < sides["a"] < 240


def test_an_answer_that_arrives_again_changes_nothing(made: Made) -> None:
    first = shown(made.test.begin("none"))
    second = shown(answer(made.test, first, right=True))
    again = shown(answer(made.test, first, right=False))
    assert again == second == shown(made.test.resume(first.session))
    third = shown(answer(made.test, second))
    result = ended(answer(made.test, third))
    assert result.right == PAIRS
    assert ended(answer(made.test, third, right=False)) == result == ended(made.test.resume(first.session))
    assert len(made.lines()) == 1


def test_a_pair_that_was_not_shown_cannot_be_answered(made: Made) -> None:
    first = shown(made.test.begin("none"))
    for number in (2, 3, 4):
        with pytest.raises(MessageRejected, match="has not been shown"):
            made.test.answer(AnswerPair(session=first.session, pair=number, chosen="a"))
    made.test.stop(first.session)
    with pytest.raises(MessageRejected, match="has not been shown"):
        answer(made.test, first)
    with pytest.raises(MessageRejected, match="begin the test again"):
        made.test.resume("another")


def test_who_leaves_in_the_middle_is_kept_as_such(made: Made) -> None:
    stopped = shown(made.test.begin("studied"))
    answer(made.test, stopped)
    assert len(ended(made.test.stop(stopped.session)).answers) == 1
    gone = shown(made.test.begin("none"))
    answer(made.test, shown(answer(made.test, gone)))
    made.now = LISTENER_IDLE_SECONDS + 1
    with pytest.raises(MessageRejected, match="has ended"):
        made.test.resume(gone.session)
    left_open = shown(made.test.begin("professional"))
    answer(made.test, left_open)
    made.test.begin("none")  # gives no answer
    made.test.close()
    assert [(line["skill"], len(line["answers"]), line["complete"]) for line in made.lines()] == [
        ("studied", 1, False),
        ("none", 2, False),
        ("professional", 1, False),
    ]


def test_of_too_many_sessions_those_without_answers_end_first(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_test, "MAX_SESSIONS", 3)
    busy = shown(made.test.begin("none"))
    second = shown(answer(made.test, busy))
    for _ in range(10):
        made.now += 1
        made.test.begin("none")
    assert shown(made.test.resume(busy.session)) == second
    assert len(made.test._sessions) == 3 and made.lines() == []


def test_the_file_is_bounded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_test, "MAX_KEPT_SESSIONS", 2)
    kept = []
    for _ in range(3):
        pair = shown(made.test.begin("none"))
        answer(made.test, pair)
        kept.append(ended(made.test.stop(pair.session)).kept)
    assert kept == [True, True, False] and len(made.lines()) == 2
    assert AnswerFile(made.path).append({"date": "x"}) is False


def test_the_bytes_of_the_file_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_test, "MAX_KEPT_BYTES", 20)
    answers = AnswerFile(tmp_path / "a.jsonl")
    assert answers.append({"date": 1}) and not answers.append({"date": 2})
    assert (tmp_path / "a.jsonl").read_text() == '{"date":1}\n'


def test_the_file_is_continued_after_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"date":"2026-01-01"}\n{"date":"20')
    answers = AnswerFile(path)
    assert answers.append({"date": "later"}) and answers.append({"date": "last"})
    assert path.read_text().splitlines()[2:] == ['{"date":"later"}', '{"date":"last"}']


def test_a_file_that_is_moved_away_is_not_made_again(made: Made) -> None:
    made.path.unlink()
    pair = shown(made.test.begin("none"))
    answer(made.test, pair)
    assert ended(made.test.stop(pair.session)).kept is False
    assert not made.path.exists()


def test_a_file_with_something_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("my diary\n")
    with pytest.raises(UsageError, match="no answers of a listening test"):
        AnswerFile(other)
    with pytest.raises(UsageError, match="cannot be written"):
        AnswerFile(tmp_path / "missing" / "answers.jsonl")
    assert other.read_text() == "my diary\n"


def test_a_file_of_pairs_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_pairs(write_pairs(tmp_path / "pairs.json", listening_test())) == listening_test()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a file of pairs"),
        ("[]", "not a JSON object"),
        ("{}", "missing"),
        ("\x00\x01", "not a file of pairs"),
        ('{"version": 1}', "missing"),
        ("[" * 100_000, "not a file of pairs"),
        (write(listening_test()).replace('"version":1', '"version":2'), "of version 2"),
        (write(listening_test()).replace(",80,", ",800,", 1), "a note is not valid"),
        (write(listening_test()).replace('"tempo":76.0', '"tempo":"fast"', 1), "tempo"),
    ],
)
def test_a_damaged_file_of_pairs_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "pairs.json"
    path.write_text(content)
    with pytest.raises(PlaybachError, match=reason) as raised:
        read_pairs(path)
    assert str(path) in str(raised.value) and "playbach listening-test" in str(raised.value)


def test_a_missing_file_of_pairs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlaybachError, match="cannot be read"):
        read_pairs(tmp_path / "none.json")


def test_what_guessing_gives() -> None:
    assert by_guessing(0, 0) == by_guessing(0, 10) == 1
    assert by_guessing(10, 10) == 1 / 1024
    assert by_guessing(9, 10) == 11 / 1024


# ------------------------------------------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers") / "answers.jsonl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    for name in ("index.html", "blind-test.html"):
        (root / name).write_text(f"<!doctype html><title>{name}</title>")
    return root


@pytest.fixture(scope="module")
def server(answers: Path, folder: Path) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.page_files", lambda: page.page_files(folder))
        with serving(station=False, blind_test=BlindTest(listening_test(PAIRS), AnswerFile(answers))) as running:
            yield running


def request(server: RunningServer, method: str, path: str, body: bytes | dict[str, Any] = b"") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, body=data, headers={"content-type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status >= 400 or response.getheader("cache-control") in ("no-store", "no-cache")
    connection.close()
    return response.status, text


def post(server: RunningServer, name: str, **values: Any) -> tuple[int, Any]:
    status, text = request(server, "POST", f"/api/blind-test/{name}", values)
    return status, json.loads(text)


def test_a_session_over_http(server: RunningServer, answers: Path) -> None:
    assert json.loads(request(server, "GET", "/api/blind-test")[1]) == {
        "pairs": PAIRS,
        "bars": 8,
        "composer": "Bach",
        "kept": True,
        "voices": [["Alto", 52, False]],
    }
    _, message = post(server, "begin", skill="plays")
    while message["type"] == "pair":
        assert post(server, "resume", session=message["session"]) == (200, message)
        side = "a" if message["a"]["notes"][0][1] == REAL_PITCH else "b"
        _, message = post(server, "answer", session=message["session"], pair=message["pair"], chosen=side, sure=2)
    assert (message["right"], message["chance"], message["kept"]) == (PAIRS, 0.125, True)
    kept = answers.read_text("utf-8")
    assert len(kept.splitlines()) == 1 and "127.0.0.1" not in kept


def test_the_page_says_whether_there_is_a_test(server: RunningServer, folder: Path) -> None:
    assert json.loads(request(server, "GET", "/api/models")[1])["blind_test"] is True
    assert request(server, "GET", "/blind-test.html")[0] == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.page_files", lambda: page.page_files(folder))
        with serving(station=False) as without:
            assert json.loads(request(without, "GET", "/api/models")[1])["blind_test"] is False
            for path in ("/blind-test.html", "/api/blind-test"):
                assert request(without, "GET", path)[0] == 404
            assert request(without, "POST", "/api/blind-test/begin", {"skill": "none"})[0] in (404, 405)


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("begin", b"", "JSON"),
        ("begin", b"[]", "JSON object"),
        ("begin", b"\xff\xfe", "JSON"),
        ("begin", b'{"skill": "none", "skill": "plays"}', "JSON"),
        ("begin", {}, "skill is missing"),
        ("begin", {"skill": "genius"}, "skill must be one of none, plays, studied, professional"),
        ("begin", {"skill": "none", "name": "Anna"}, "unknown key"),
        ("resume", {"session": "x" * 41}, "at most 40"),
        ("resume", {"session": "unknown"}, "begin the test again"),
        ("stop", {"session": None}, "session"),
        ("answer", {"session": "x", "pair": 0, "chosen": "a"}, "pair must be between 1 and 100"),
        ("answer", {"session": "x", "pair": 1, "chosen": "c"}, "chosen must be one of a, b"),
        ("answer", {"session": "x", "pair": 1, "chosen": "a", "sure": 4}, "sure must be between 1 and 3"),
        ("answer", {"session": "x", "pair": 1.5, "chosen": "a"}, "pair must be a whole number"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(
    server: RunningServer, path: str, body: bytes | dict[str, Any], reason: str
) -> None:
    status, text = request(server, "POST", f"/api/blind-test/{path}", body)
    assert status == 400 and reason in json.loads(text)["reason"]


def test_pages_of_other_origins_may_not_ask_whether_they_can_send_answers(server: RunningServer) -> None:
    assert request(server, "OPTIONS", "/api/blind-test/begin")[0] == 405
    assert request(server, "GET", "/api/blind-test/begin")[0] in (404, 405)
