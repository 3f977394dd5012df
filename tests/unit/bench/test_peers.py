import numpy as np
import pytest
from small_models import photo, small_pipeline

from linearsr.bench import peers
from linearsr.bench.peers import Peer, PeerTiming, bicubic_peer, linearsr_peer, render_peers, time_peers


def enlarge(pixels):
    return pixels.repeat(4, 0).repeat(4, 1)


def fail():
    raise ImportError("no module named waifu")


def test_linearsr_gives_what_the_pipeline_gives():
    peer = linearsr_peer(small_pipeline(), steps=2)
    image = photo(12, 9)
    assert peer.name == "LinearSR small, 2 steps"
    expected = np.asarray(small_pipeline()(image, num_inference_steps=2).images[0])
    assert np.array_equal(peer.load()(image), expected)


def test_bicubic_enlarges_by_four():
    result = bicubic_peer().load()(photo(12, 9))
    assert result.shape == (48, 36, 3)
    assert abs(result.mean() - photo(12, 9).mean()) < 2


def test_ratios_are_to_the_first_peer(monkeypatch):
    times = iter([2.0, 4.0, 9.0, 15.0])
    monkeypatch.setattr(peers, "median_seconds", lambda work, **_: (work(), next(times))[1])
    kept = []
    both = [Peer(name="ours", load=lambda: enlarge), Peer(name="theirs", load=lambda: enlarge, runs_on="gpu")]
    images = [photo(8, 8), photo(12, 8)]
    ours, theirs = time_peers(both, images, repeats=1, keep=lambda *result: kept.append(result))
    assert (ours.seconds, ours.ratio) == (3.0, 1.0)
    assert (theirs.seconds, theirs.ratio, theirs.runs_on) == (12.0, 4.0, "gpu")
    assert [(name, index, pixels.shape[:2]) for name, index, pixels in kept] == [
        ("ours", 0, (32, 32)),
        ("ours", 1, (48, 32)),
        ("theirs", 0, (32, 32)),
        ("theirs", 1, (48, 32)),
    ]


def test_the_warm_up_is_a_corner():
    seen = []
    peer = Peer(name="ours", load=lambda: lambda pixels: (seen.append(pixels.shape[:2]), enlarge(pixels))[1])
    (timing,) = time_peers([peer], [photo(100, 90)], repeats=2)
    assert seen == [(64, 64), (100, 90), (100, 90)]
    assert timing.seconds > 0


def test_a_missing_peer_is_named_with_its_remedy(machine):
    rows = [Peer(name="ours", load=lambda: enlarge), Peer(name="other", load=fail, install="pip install waifu")]
    timings = list(time_peers(rows, [photo(8, 8)], repeats=1))
    assert timings[1] == PeerTiming(name="other", missing="not installed (no module named waifu): pip install waifu")
    text = render_peers(timings, "1 image", machine)
    assert "- not timed: other: not installed (no module named waifu): pip install waifu" in text
    assert "| other" not in text


def test_the_table_shows_ratios(machine):
    rows = [
        PeerTiming(name="ours", runs_on="cpu", seconds=1.5, ratio=1.0),
        PeerTiming(name="x", seconds=18.0, ratio=12.0),
    ]
    text = render_peers(rows, "1 image of 8x8", machine)
    assert "| ours   |     cpu |              1.50 |           1.00 |" in text
    assert "| x      |         |              18.0 |           12.0 |" in text
    assert "1 image of 8x8; from pixels to pixels" in text


@pytest.mark.parametrize("gray", [0, 255])
def test_bicubic_keeps_flat_pictures(gray):
    assert (bicubic_peer().load()(np.full((5, 5, 3), gray, np.uint8)) == gray).all()
