"""The steps, contexts, relations and rules of the `chorale` encoding."""

from __future__ import annotations

import numpy as np
import pytest
import symusic

from helpers import sample_music
from helpers.names_of_symbols import contexts_by_name, first_symbols, related
from playbach.encodings import ENCODINGS
from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.music.bars import Bars

FOUR_VOICES = sample_music.score(
    [
        [(0, 480, 72), (480, 960, 74), (1440, 480, 71), (1920, 1920, 72)],
        [(0, 480, 67), (480, 480, 65), (960, 480, 67), (1440, 480, 67), (1920, 1920, 64)],
        [(0, 480, 64), (480, 1440, 62), (1920, 1920, 60)],
        [(0, 480, 48), (480, 480, 50), (960, 480, 55), (1920, 1920, 48)],
    ]
)


@pytest.fixture(scope="module")
def chorale_contexts() -> list[dict[str, str]]:
    """Those of FOUR_VOICES. Each onset has five steps: soprano, bass, alto, tenor, wait."""
    encoding = ENCODINGS["chorale"].load().fit([FOUR_VOICES])
    return contexts_by_name(encoding, encoding.encode(FOUR_VOICES))


def of_voices(context: dict[str, str], what: str) -> list[str]:
    """One value for each voice, from soprano to bass."""
    return [context[f"{what} {voice}"] for voice in ("soprano", "alto", "tenor", "bass")]


def test_a_chorale_has_five_steps_for_each_onset() -> None:
    """Soprano, bass, alto, tenor, and the wait for the next onset, which never crosses a bar line."""
    soprano = [(0, 480, 72), (480, 4800, 74)]  # the second one lasts over two bar lines, until 5280
    lower = [[(0, 480, p), (480, 480, p - 2), (960, 4320, p)] for p in (65, 60, 48)]
    piece = sample_music.score([soprano, *lower])
    encoding = ENCODINGS["chorale"].load().fit([piece])
    names = encoding.fields[0].symbols
    symbols = [names[s] for s in encoding.encode(piece).steps[:, 0]]
    assert [symbols[i : i + 5] for i in range(0, len(symbols), 5)] == [
        ["72", "48", "65", "60", "+4"],
        ["74", "46", "63", "58", "+4"],
        ["hold", "48", "65", "60", "+8"],
        ["hold", "hold", "hold", "hold", "+16"],
        ["hold", "hold", "hold", "hold", "+12"],
    ]


def test_each_voice_keeps_its_own_instrument() -> None:
    score = sample_music.chorale(1)
    reversed_ = sample_music.score([], meters=((0, 1, 4), (480, 4, 4)))
    for track, program in zip(reversed(list(score.tracks)), (42, 70, 68, 73), strict=True):
        track.name, track.program = "", program
        reversed_.tracks.append(track)
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])
    found = {t.name: t.program for t in encoding.encode(reversed_).header.tracks}
    assert found["Bass"] == 42
    assert found["Soprano"] in (73, 68)


def test_a_voice_rests_until_its_first_note() -> None:
    late = [[(0, 1920, 72)], [(960, 960, 67)], [(0, 960, 64)], []]
    encoding = ENCODINGS["chorale"].load().fit([FOUR_VOICES])
    piece = encoding.encode(sample_music.score(late, names=("Soprano", "Alto", "Tenor", "Bass")))
    assert first_symbols(encoding, piece) == ["72", "rest", "rest", "64", "+8", "hold", "hold", "67", "rest", "+8"]
    assert of_voices(contexts_by_name(encoding, piece)[9], "sounding") == ["72", "67", "rest", "rest"]


def test_the_context_of_a_chorale_has_the_place_the_meter_and_the_key(chorale_contexts: list[dict[str, str]]) -> None:
    contexts = chorale_contexts
    assert [c["voice"] for c in contexts[:5]] == ["Soprano", "Bass", "Alto", "Tenor", "wait"]
    assert [c["place"] for c in contexts[::5]] == ["0", "4", "8", "12", "0"]
    assert [c["waited"] for c in contexts[::5]] == ["0", "+4", "+4", "+4", "+4"]
    assert [c["left"] for c in contexts[::5]] == ["1", "1", "1", "1", "0"]
    assert {c["meter"] for c in contexts} == {"4/4"}
    assert [c["home"] for c in contexts[4:6]] == ["nothing", "C major"]
    assert contexts[20]["home"] == "G major"


def test_the_context_of_a_chorale_has_the_intervals_and_motions_of_the_voices(
    chorale_contexts: list[dict[str, str]],
) -> None:
    alto = chorale_contexts[12]  # in the third quarter: the soprano holds, the bass has gone up a fourth
    assert (alto["voice"], alto["sounding"]) == ("Alto", "65")
    assert of_voices(alto, "sounding") == ["74", "65", "62", "55"]
    assert of_voices(alto, "length of") == ["4", "4", "4", "0"]
    assert of_voices(alto, "interval to") == ["3", "0", "3", "3"]  # from D5, F4, D4 and D3, which sounded before
    assert of_voices(alto, "motion of") == ["0", "0", "0", "5"]

    earlier = chorale_contexts[7]  # the alto in the second quarter: soprano and bass have gone up a tone
    assert of_voices(earlier, "motion of") == ["2", "0", "0", "2"]

    wait = chorale_contexts[14]  # a wait has no note of its own; its intervals are those to the bass
    assert wait["sounding"] == "?"
    assert of_voices(wait, "interval to") == ["0", "9", "0", "0"]


def test_the_context_of_a_chorale_tells_rests_from_notes(chorale_contexts: list[dict[str, str]]) -> None:
    resting = chorale_contexts[17]  # the alto in the fourth quarter, where the bass rests
    assert of_voices(resting, "sounding") == ["71", "67", "62", "rest"]
    assert of_voices(resting, "motion of") == ["-3", "0", "0", "none"]
    assert of_voices(resting, "length of") == ["0", "4", "8", "0"]
    assert of_voices(resting, "interval to") == ["5", "0", "5", "0"]

    entering = chorale_contexts[21]  # the bass at the last onset, after its rest
    assert entering["sounding"] == "rest"
    assert of_voices(entering, "interval to") == ["none"] * 4
    assert of_voices(entering, "length of") == ["0", "4", "12", "4"]
    assert of_voices(chorale_contexts[22], "motion of") == ["1", "0", "0", "none"], "no motion from a rest"


def test_the_context_of_a_chorale_has_a_new_meter_from_its_first_onset() -> None:
    voices = [[(t, 480, p) for t in range(0, 5280, 480)] for p in (72, 67, 64, 48)]
    piece = sample_music.score(voices, meters=((0, 4, 4), (1920, 3, 4), (3360, 4, 4)))
    encoding = ENCODINGS["chorale"].load().fit([piece])
    contexts = contexts_by_name(encoding, encoding.encode(piece))[::5]
    assert [c["meter"] for c in contexts] == ["4/4"] * 4 + ["3/4"] * 3 + ["4/4"] * 4
    assert [c["place"] for c in contexts] == ["0", "4", "8", "12", "0", "4", "8", "0", "4", "8", "12"]


def test_lengths_and_places_of_a_chorale_have_bounds() -> None:
    piece = sample_music.score([[(0, 480, p), (480, 18 * 480, p)] for p in (72, 67, 64, 48)], meters=((0, 19, 4),))
    encoding = ENCODINGS["chorale"].load().fit([piece])
    contexts = contexts_by_name(encoding, encoding.encode(piece))[::5]
    assert [c["place"] for c in contexts] == ["0", "4", "20", "36", "52", "later"]
    assert [c["length of bass"] for c in contexts] == ["0", "4", "16", "32", "32", "32"]


def test_relations_of_a_chorale() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])
    pitches = [s for s in encoding.fields[0].symbols if s.isdecimal()]
    low, high = int(pitches[0]), int(pitches[-1])

    def up(name: str, start: int, semitones: int) -> int:
        return related(encoding, name, str(start), str(start + semitones))

    voices = ("soprano", "alto", "tenor", "bass")
    for name in ("motion", *(f"{which} {v}" for which in ("distance from", "above") for v in voices)):
        assert up(name, low, 4) == up(name, low + 5, 4) == up(name, high - 4, 4) > 0
        assert len({up(name, 60, step) for step in range(-5, 7)}) == 12
        assert (up(name, low, 4) == up(name, low, 16)) == name.startswith("above")
        for before, symbol in (("rest", "60"), ("nothing", "60"), ("60", "hold"), ("60", "rest"), ("60", "+4")):
            assert related(encoding, name, before, symbol) == 0
    columns = {r.name: encoding.context[r.column].name for r in encoding.relations}
    assert columns == {
        "motion": "sounding",
        **{f"{which} {v}": f"sounding {v}" for which in ("distance from", "above") for v in voices},
        "degree": "home",
    }


def without_tenor(seed: int) -> symusic.Score:
    score = sample_music.chorale(seed)
    score.tracks[2].notes = score.tracks[2].notes[:0]
    return score


def test_a_voice_without_notes_can_always_hold() -> None:
    encoding = ENCODINGS["chorale"].load().fit([without_tenor(seed) for seed in range(3)])
    decoder = encoding.decoder(encoding.headers[0][0], 4)
    symbols = encoding.fields[0].symbols
    hold, rest, wait = (symbols.index(name) for name in ("hold", "rest", "+1"))
    for _ in range(3):
        decoder.feed(np.array([np.flatnonzero(decoder.valid_mask()[0])[-1]]))
    for symbol in (rest, wait, hold, hold, hold):
        assert decoder.valid_mask()[0][symbol]
        decoder.feed(np.array([symbol]))
    for masks in (decoder.valid_mask(), decoder.style_mask()):
        assert np.flatnonzero(masks[0]).tolist() == [hold]


def test_all_voices_hold_only_at_bar_lines_and_after_the_longest_wait() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(6)])
    header = encoding.headers[0][0]
    decoder = encoding.decoder(header, 4)
    hold, wait = 1, encoding.fields[0].symbols.index("+4")
    for _ in range(4):
        decoder.feed(np.array([np.flatnonzero(decoder.valid_mask()[0])[-1]]))
    decoder.feed(np.array([wait]))
    for _ in range(3):
        assert decoder.valid_mask()[0][hold]
        decoder.feed(np.array([hold]))
    at_bar_line = Bars(header.meters).place(decoder.tick) == 0
    assert decoder.valid_mask()[0][hold] == at_bar_line


def test_the_style_mask_prevents_parallel_octaves_and_fifths() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(6)])
    fell_back = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        decoder = encoding.decoder(encoding.headers[0][0], 8)
        sounding = np.zeros((4, 0), int)
        column: list[int] = []
        while not decoder.finished:
            [mask] = decoder.style_mask()
            fell_back += int(mask.sum() == decoder.valid_mask()[0].sum() == 1 and len(column) < 4)
            symbol = int(rng.choice(np.flatnonzero(mask)))
            decoder.feed(np.array([symbol]))
            if len(column) == 4:  # this was the wait
                sounding = np.column_stack([sounding, [column[0], column[2], column[3], column[1]]])
                column = []
                continue
            voice = (0, 3, 1, 2)[len(column)]
            held = sounding[voice, -1] if sounding.size else -1
            column.append(held if symbol == 1 else -1 if symbol == 2 else symbol)
        for a in range(4):
            for b in range(a):
                for (a0, a1), (b0, b1) in zip(
                    np.lib.stride_tricks.sliding_window_view(sounding[a], 2),
                    np.lib.stride_tricks.sliding_window_view(sounding[b], 2),
                    strict=True,
                ):
                    if min(a0, a1, b0, b1) >= 3 and np.sign(a1 - a0) == np.sign(b1 - b0) != 0:
                        assert not (abs(a0 - b0) % 12 == abs(a1 - b1) % 12 and abs(a0 - b0) % 12 in (0, 7))
    assert fell_back == 0


def test_thirty_seconds_in_a_voice_are_not_chords() -> None:
    score = sample_music.chorale(1, bars=2)
    soprano = score.tracks[0]
    fast = [symusic.Note(60 * i, 60, 71 + i % 2, 80) for i in range(16)]
    soprano.notes = [*fast, *(n for n in soprano.notes if n.time >= 960)]
    assert ChoraleEncoding.rejection_reason(score) is None
    encoding = ChoraleEncoding.fit([score])
    assert [len(onsets) for onsets in encoding.unheard(score).values() if len(onsets)] == [8]
    soprano.notes = [*(symusic.Note(60 * i, 120, 71 + i % 2, 80) for i in range(16)), *list(soprano.notes)[16:]]
    assert "has chords" in str(ChoraleEncoding.rejection_reason(score))
