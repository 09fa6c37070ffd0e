"""Harmonising: what is given comes back, the rest is composed around it, and what cannot be set is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import symusic

import playbach
from helpers import sample_music
from playbach.encodings.voices import VOICES
from playbach.inference.composing import Composer
from playbach.inference.given_music import phrase_ends
from playbach.music.events import FERMATA
from playbach.system.errors import ScoreError, UsageError

TUNE = [(0, 480, 67), (480, 480, 69), (960, 720, 71), (1680, 240, 69), (1920, 960, 67)]
Notes = list[tuple[int, int, int]]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(runtime="onnx")


def notes(score: symusic.Score, track: int = 0) -> Notes:
    return [(n.time, n.duration, n.pitch) for n in score.tracks[track].notes]


def tune(line: Notes = TUNE, **options: object) -> symusic.Score:
    return sample_music.score([line], **options)  # type: ignore[arg-type]


def voices(score: symusic.Score) -> dict[str, Notes]:
    return {track.name: notes(score, i) for i, track in enumerate(score.tracks)}


def test_the_tune_comes_back_and_three_voices_join_it(composer: Composer) -> None:
    score = tune(meters=((0, 2, 4),), tempo=63)
    setting = composer.harmonise(score, seed=1).score
    found = voices(setting)
    assert list(found) == list(VOICES)
    assert found["Soprano"] == TUNE
    for name in VOICES[1:]:
        assert found[name][0][0] == 0
        assert max(onset + length for onset, length, _ in found[name]) == 2880
    assert [(t.time, round(t.qpm, 3)) for t in setting.tempos] == [(0, 63)]
    assert [(t.time, t.numerator) for t in setting.time_signatures] == [(0, 2)]


def test_a_seed_and_options_make_the_same_setting_again(composer: Composer) -> None:
    first, again, other = (composer.harmonise(tune(), seed=seed, drafts=4) for seed in (7, 7, 8))
    assert voices(first.score) == voices(again.score) != voices(other.score)
    recipe = json.loads(first.comment)
    assert recipe["seed"] == 7
    assert recipe["options"]["voice"] == "soprano" and recipe["options"]["drafts"] == 4
    assert recipe["tune"]


@pytest.mark.parametrize(
    "names", [("alto",), ("tenor",), ("bass",), ("soprano", "bass"), ("soprano", "alto", "tenor")]
)
def test_any_voices_can_be_given(composer: Composer, names: tuple[str, ...]) -> None:
    chorale = sample_music.chorale(3, bars=4)
    alone = chorale.copy()
    for track in alone.tracks:
        if track.name.lower() not in names:
            track.notes.clear()
    setting = composer.harmonise(alone, voice=", ".join(names), seed=2, drafts=2)
    assert not setting.remarks
    given, found = voices(chorale), voices(setting.score)
    assert all((found[name] == given[name]) == (name.lower() in names) for name in VOICES)
    assert [s.numerator for s in setting.score.time_signatures] == [1, 4], "the pickup is kept"


def test_of_a_whole_chorale_the_named_voice_is_set_anew(composer: Composer) -> None:
    chorale = sample_music.chorale(3, bars=4)
    found = voices(composer.harmonise(chorale, seed=2, drafts=2).score)
    assert found["Soprano"] == notes(chorale)
    assert found["Bass"] != notes(chorale, 3)


def test_inexact_times_come_back_as_they_are(composer: Composer) -> None:
    played = [(3, 430, 67), (470, 470, 69), (968, 700, 71), (1670, 200, 69), (1920, 900, 67)]
    setting = composer.harmonise(tune(played), seed=1, drafts=2).score
    assert notes(setting) == played
    assert all(onset % 120 == 0 for onset, _, _ in notes(setting, 3))


def test_a_rest_before_and_within_the_tune_is_kept(composer: Composer) -> None:
    line = [(960, 480, 67), (1920, 480, 69), (2400, 480, 67)]
    assert notes(composer.harmonise(tune(line), seed=1, drafts=2).score) == line


@pytest.mark.parametrize(
    ("semitones", "voice", "remark"),
    [
        (24, "soprano", "moved 2 octaves down, into the range of the soprano"),
        (-24, "soprano", "moved 1 octave up, into the range of the soprano"),
        (0, "bass", "moved 1 octave down, into the range of the bass"),
    ],
)
def test_a_tune_out_of_range_is_moved_by_octaves(composer: Composer, semitones: int, voice: str, remark: str) -> None:
    moved = [(onset, length, pitch + semitones) for onset, length, pitch in TUNE]
    setting = composer.harmonise(tune(moved), voice=voice, seed=1, drafts=2)
    [said] = setting.remarks
    shift = notes(setting.score, VOICES.index(voice.title()))[0][2] - moved[0][2]
    assert shift % 12 == 0 and shift
    if semitones == 24:
        assert said == remark


def test_a_wide_tune_is_moved_to_another_key(composer: Composer) -> None:
    assert composer.encoding.name == "chorale"
    low, high = composer.encoding.ranges[0]  # type: ignore[attr-defined]
    line = [(0, 480, low - 1), (480, 480, high - 1), (960, 960, low - 1)]
    score = tune(line)
    score.key_signatures.append(symusic.KeySignature(0, 0, 0))
    setting = composer.harmonise(score, seed=1, drafts=2)
    assert setting.remarks == ("moved 1 semitone up, into the range of the soprano",)
    assert notes(setting.score)[1] == (480, 480, high)
    assert [key.key for key in setting.score.key_signatures] == [-5]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ([], "has no notes"),
        ([(0, 480, 60), (0, 480, 64)], "bar 1: the soprano has two notes at once"),
        ([(0, 1920, 72), (960, 960, 67)], "bar 1: the soprano has overlapping notes"),
        (
            [(0, 480, 67), (1920, 160, 67), (2080, 160, 69), (2240, 160, 71)],
            "bar 2: a note does not begin on a sixteenth",
        ),
        ([(0, 480, 30), (480, 480, 100)], "spans 70 semitones, but the soprano of the model has only"),
        ([(0, 480, 67), (1920 * 1000, 480, 67)], "has more than 999 bars"),
    ],
)
def test_what_cannot_be_set_is_refused(composer: Composer, line: Notes, reason: str) -> None:
    with pytest.raises(ScoreError, match=reason):
        composer.harmonise(tune(line))


@pytest.mark.parametrize(
    ("voice", "reason"),
    [
        ("baritone", "unknown voice 'baritone'; the voices are soprano, alto, tenor and bass"),
        ("alto,alto", "a voice is named twice"),
        ("soprano,alto,tenor,bass", "give one, two or three of the four voices"),
    ],
)
def test_wrong_voices_are_refused(composer: Composer, voice: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        composer.harmonise(tune(), voice=voice)


def test_several_tracks_without_names_are_refused(composer: Composer) -> None:
    score = sample_music.score([TUNE, TUNE], names=("Right", "Left"))
    with pytest.raises(ScoreError, match="has 2 tracks with notes, none of them named soprano; give a tune alone"):
        composer.harmonise(score)


def test_a_model_of_other_music_is_refused() -> None:
    with pytest.raises(UsageError, match="does not compose four voices"):
        playbach.load("folk", runtime="onnx").harmonise(tune())


def test_phrases_end_at_fermatas_or_else_at_long_notes_and_rests() -> None:
    line = [(0, 4, 60), (4, 8, 62), (8, 16, 64), (16, 20, 62), (20, 24, 60), (32, 36, 62)]
    assert phrase_ends(line) == (8, 20, 32)
    assert phrase_ends(line, {4}) == (4, 32)


def test_fermatas_are_read_from_musicxml(tmp_path: Path) -> None:
    from playbach.music import reading

    def note(step: str, notations: str = "") -> str:
        return f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>1</duration>{notations}</note>"

    fermata = "<notations><fermata/></notations>"
    bars = [note("C") + note("D", fermata), note("E") + note("C", fermata)]
    measures = "".join(f'<measure number="{i + 1}">{bar}</measure>' for i, bar in enumerate(bars)).replace(
        '<measure number="1">', '<measure number="1"><attributes><divisions>1</divisions></attributes>'
    )
    file = tmp_path / "tune.musicxml"
    file.write_text(
        '<score-partwise><part-list><score-part id="P1"><part-name>S</part-name></score-part></part-list>'
        f'<part id="P1">{measures}</part></score-partwise>'
    )
    markers = reading.read_file(file).score.markers
    assert [(m.time, m.text) for m in markers] == [(480, FERMATA), (1440, FERMATA)]


def test_words_and_markers_come_back(composer: Composer) -> None:
    score = tune()
    score.markers.append(symusic.TextMeta(960, "verse"))
    words = symusic.Track("words", 0, False)
    words.lyrics.append(symusic.TextMeta(480, "la"))
    score.tracks.append(words)
    setting = composer.harmonise(score, seed=1, drafts=2).score
    assert [m.text for m in setting.markers] == ["verse"]
    assert [[x.text for x in track.lyrics] for track in setting.tracks] == [["la"], [], [], []]
