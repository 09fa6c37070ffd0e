"""Rewriting: bars are composed anew between what stands on both sides, with every encoding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import symusic

import playbach
from helpers import sample_music
from playbach import rendering
from playbach.inference import rewriting
from playbach.inference.composing import Composer
from playbach.music.bars import Bars, meters_of
from playbach.system.errors import ScoreError, UsageError

Notes = set[tuple[int, int, int]]


def notes(score: symusic.Score, track: int) -> Notes:
    return {(n.time, n.duration, n.pitch) for n in score.tracks[track].notes}


def changed_bars(old: symusic.Score, new: symusic.Score, track: int) -> set[int]:
    """The bars in which something sounds differently."""
    bars, found = Bars(meters_of(old, 1)), set[int]()
    for time, _, pitch in notes(old, track) ^ notes(new, track):
        others = [n for n in notes(old, track) | notes(new, track) if n[0] == time and n[2] == pitch]
        ends = sorted(t + d for t, d, _ in others)
        begin = ends[0] if len(others) > 1 else time
        found |= set(range(bars.number(begin), bars.number(max(ends[-1] - 1, begin)) + 1))
    return found


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(runtime="onnx")


@pytest.mark.parametrize("model", ["bach-chorales", "folk", "ensemble"])
def test_each_encoding_rewrites_bars_and_nothing_else(model: str) -> None:
    composer = playbach.load(model, runtime="onnx")
    old = composer.compose(seed=3, bars=6, plain=True).score
    found = composer.rewrite(old, "3-4", seed=1, drafts=4)
    new = found.score
    assert [t.name for t in new.tracks] == [t.name for t in old.tracks]
    changes = [changed_bars(old, new, i) for i in range(len(old.tracks))]
    assert set().union(*changes) and set().union(*changes) <= {3, 4}
    assert json.loads(found.comment)["command"] == "rewrite"
    again, other = (composer.rewrite(old, "3-4", seed=seed, drafts=4).score for seed in (1, 2))
    everything = [[notes(s, i) for i in range(len(old.tracks))] for s in (new, again, other)]
    assert everything[0] == everything[1] != everything[2]


def test_voices_that_are_kept_come_back(composer: Composer) -> None:
    old = composer.compose(seed=3, bars=6, plain=True).score
    new = composer.rewrite(old, "2-5", voices="alto, tenor", seed=1, drafts=4).score
    same = [notes(old, i) == notes(new, i) for i in range(4)]
    assert same == [True, False, False, True]


def test_a_draft_that_leads_into_what_follows_is_preferred(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = composer.compose(seed=5, bars=6, plain=True).score
    seen: list[tuple[float, float]] = []
    found = rewriting.following_likelihood

    def watched(*arguments: object, **options: object) -> object:
        weights = found(*arguments, **options)  # type: ignore[arg-type]
        seen.append((float(weights.max()), float(weights.mean())))
        return weights

    monkeypatch.setattr(rewriting, "following_likelihood", watched)
    composer.rewrite(old, "3-4", seed=1, drafts=16)
    [(best, mean)] = seen
    assert best > mean + 1, "drafts differ in how probable they make what follows"


def test_the_first_and_the_last_bars_can_be_rewritten(composer: Composer) -> None:
    old = composer.compose(seed=3, bars=4, plain=True).score
    bars = Bars(meters_of(old, 1))
    first = 0 if bars.pickup else 1
    last = bars.number(max(n.end for t in old.tracks for n in t.notes) - 1)
    for which in (f"{first}-1", f"{last}", f"{first}-{last}"):
        new = composer.rewrite(old, which, seed=1, drafts=2).score
        assert all(len(track.notes) for track in new.tracks)
    ends = {max(n.end for n in track.notes) for track in composer.rewrite(old, str(last), seed=1).score.tracks}
    assert ends == {max(n.end for n in old.tracks[0].notes)}


def test_the_rest_of_a_file_stays(composer: Composer, tmp_path: Path) -> None:
    old = composer.compose(seed=3, bars=6, plain=True).score
    old.markers.append(symusic.TextMeta(960, "verse"))
    old.tracks[1].lyrics.append(symusic.TextMeta(0, "la"))
    old.key_signatures.append(symusic.KeySignature(0, -1, 1))
    old.tempos.append(symusic.Tempo(1920, 50))
    path = tmp_path / "a_hymn.mid"
    rendering.write(old, path, comment='{"model": "x"}')
    found = composer.rewrite(path, "3-4", seed=1, drafts=2)
    new = found.score
    assert [m.text for m in new.markers] == ["verse"]
    assert [x.text for track in new.tracks for x in track.lyrics] == ["la"]
    assert [(k.time, k.key, k.tonality) for k in new.key_signatures] == [(0, -1, 1)]
    assert [(t.time, round(t.qpm)) for t in new.tempos] == [(t.time, round(t.qpm)) for t in old.tempos]
    assert json.loads(found.comment)["title"] == "a hymn"


def test_what_cannot_be_rewritten_is_refused(composer: Composer, lines_folder: Path) -> None:
    old = composer.compose(seed=3, bars=4, plain=True).score
    with pytest.raises(ScoreError, match=r"has the bars .* to 4, but bars 9 to 10"):
        composer.rewrite(old, "9-10")
    with pytest.raises(UsageError, match="bars must be a number or two"):
        composer.rewrite(old, "all")
    with pytest.raises(UsageError, match="unknown voice 'basso'"):
        composer.rewrite(old, "1", voices="basso")
    with pytest.raises(ScoreError, match=r"piece00.mid: the model 'bach-chorales' cannot compose within this piece"):
        composer.rewrite(lines_folder / "piece00.mid", "1")
    with pytest.raises(UsageError, match="only with a model of four voices"):
        playbach.load("folk").rewrite(sample_music.line(1), "1", voices="bass")
