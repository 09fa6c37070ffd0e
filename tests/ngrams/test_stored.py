"""N-grams as bytes: they predict the same when read again, and damaged bytes are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from helpers.members import ngrams_of, pieces_of, with_ngrams
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.bundles.exported import NGRAMS
from playbach.inference.runtimes import open_runtime
from playbach.ngrams import stored
from playbach.ngrams.ngram import NGramAverage
from playbach.system.errors import BundleError

FILES = ("tiny.playbach", "lines-transformer-notes.playbach", "bands-transformer-events.playbach")


@pytest.fixture(scope="module", params=FILES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return bundles.read(GOLDEN / request.param)


def test_they_predict_the_same_when_read_again(bundle: Bundle) -> None:
    encoding, pieces = bundle.encoding(), pieces_of(bundle)
    ngrams = ngrams_of(pieces, encoding)
    data = stored.as_bytes(ngrams, pieces, keys=stored.ALL_KEYS, network_share=0.25)
    again, share = stored.from_bytes(data, encoding)
    assert share == 0.25 and len(again.members) == len(ngrams.members)
    for before, after in zip(ngrams.probabilities(pieces[0]), again.probabilities(pieces[0]), strict=True):
        np.testing.assert_allclose(before, after)


def test_only_the_nearest_keys_are_counted_again(bundle: Bundle) -> None:
    encoding, pieces = bundle.encoding(), pieces_of(bundle)
    ngrams = NGramAverage.fit([[piece] for piece in pieces], encoding, members=2)
    again, _ = stored.from_bytes(stored.as_bytes(ngrams, pieces, keys=1, network_share=0.5), encoding)
    for before, after in zip(ngrams.probabilities(pieces[0]), again.probabilities(pieces[0]), strict=True):
        np.testing.assert_allclose(before, after)


def test_steps_become_the_same_steps_again(bundle: Bundle) -> None:
    encoding = bundle.encoding()
    for piece in pieces_of(bundle):
        score = stored.decoded(piece.steps, piece.header, encoding)
        assert np.array_equal(encoding.encode(score).steps, piece.steps)


def test_a_summary_tells_how_many_they_are(bundle: Bundle) -> None:
    found = stored.summary(with_ngrams(bundle).members[NGRAMS])
    assert found == (2, 0.5, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("members"),
        lambda data: data.update(network_share=2),
        lambda data: data.update(network_share="much"),
        lambda data: data.update(keys=0),
        lambda data: data.update(keys=-1),
        lambda data: data.update(members=[]),
        lambda data: data.update(members=data["members"] * 9),
        lambda data: data.update(pieces=[]),
        lambda data: data["pieces"][0].update(steps="????"),
        lambda data: data["pieces"][0].update(steps="//8="),
        lambda data: data["pieces"][0].update(header={}),
        lambda data: data["members"][0][0].update(field=7),
        lambda data: data["members"][0][0].update(powers=[1.0]),
        lambda data: data["members"][0][0].update(chains=[[[99, 0]]]),
        lambda data: data["members"][0][0].update(chains=[[[0, 9999]]]),
        lambda data: data["members"][0].append(5),
    ],
)
def test_damaged_ones_are_refused_in_one_line(change: Any) -> None:
    whole = with_ngrams(bundles.read(GOLDEN / "tiny.playbach"))
    data = json.loads(whole.members[NGRAMS])
    change(data)
    damaged = Bundle(whole.name, whole.manifest, {**whole.members, NGRAMS: json.dumps(data).encode()}, whole.sha256)
    with pytest.raises(BundleError, match=r"tiny: its n-grams cannot be read .*; get or train it again"):
        open_runtime(damaged)
    open_runtime(damaged, "onnx")  # the network alone still plays
