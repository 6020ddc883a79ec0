"""Shards, cached frames and the order in which they are seen."""

import os

import fsspec
import numpy as np
import pytest

from train.data.decoded import cached_shard
from train.data.facts import number
from train.data.frames import Frames
from train.data.pairs import FrameOrder, PairOrder, held_out_pairs


def test_every_frame_is_read_with_its_facts(shard_folder):
    frames = Frames(shard_folder, sample_size=16, validation_every=4)
    assert len(frames) == 24
    assert frames.targets().shape == (24, 193)
    chosen = np.array([23, 0, 4])
    assert frames.images("image", chosen).shape == (3, 16, 16, 3)
    assert frames.images("region", chosen).shape == (3, 16, 16)
    assert frames.images("landmark_map", chosen).shape == (3, 16, 16, 3)


def test_regions_hold_background_face_and_detail(shard_folder):
    frames = Frames(shard_folder, sample_size=16, validation_every=4)
    assert set(frames.images("region", np.arange(24)).unique().tolist()) == {0, 2, 3}


def test_held_out_identities_are_never_trained_on(shard_folder):
    frames = Frames(shard_folder, sample_size=16, validation_every=4)
    assert not set(frames.identity[frames.training]) & set(frames.identity[frames.validation])
    assert set(frames.identity[frames.validation]) == {3, 7}


def test_wrong_image_size_is_an_error(shard_folder):
    with pytest.raises(ValueError, match="Expected images of 32 px"):
        Frames(shard_folder, sample_size=32, validation_every=4)


def test_a_changed_shard_is_decoded_again(shard_folder):
    shard = sorted(shard_folder.glob("*.tar"))[0]
    first = cached_shard(shard, 16)
    assert cached_shard(shard, 16) == first
    os.utime(shard, (1, 1))
    assert cached_shard(shard, 16) != first


def test_shards_are_read_out_of_a_store(shard_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = fsspec.filesystem("memory")
    for file in [*shard_folder.glob("*.tar"), shard_folder / "index.json"]:
        store.put_file(str(file), f"/shards/{file.name}")
    stored = [Frames("memory://shards", 16, validation_every=4, cache="none") for _ in ("new", "indexed")]
    local = Frames(shard_folder, 16, validation_every=4, cache="none")
    for frames in stored:
        assert frames.expression_names == local.expression_names
        for name in ("image", "region"):
            assert frames.images(name, np.arange(24)).equal(local.images(name, np.arange(24)))
    with pytest.raises(ValueError, match="data.cache none"):
        Frames("memory://shards", 16, validation_every=4)


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected shards"):
        Frames(tmp_path, sample_size=16, validation_every=4)


def test_an_epoch_shows_every_frame_once_over_all_processes():
    frames = np.arange(10, 22)
    orders = [FrameOrder(frames, batch_size=2, num_processes=2, process=process, seed=1) for process in (0, 1)]
    epochs = [
        np.concatenate([order.batch(index) for index in range(3 * epoch, 3 * epoch + 3) for order in orders])
        for epoch in (0, 1)
    ]
    assert all(sorted(epoch.tolist()) == frames.tolist() for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_a_batch_depends_on_its_number_alone():
    frames = np.arange(7)
    forward = FrameOrder(frames, batch_size=3)
    in_order = [forward.batch(index).tolist() for index in range(6)]
    assert FrameOrder(frames, batch_size=3).batch(5).tolist() == in_order[5]


def test_pairs_never_mix_identities():
    identity = np.random.default_rng(0).integers(0, 5, 40)
    pairs = PairOrder(identity, FrameOrder(np.arange(40), batch_size=8, seed=3))
    for index in range(30):
        sources, targets = pairs.batch(index)
        assert (identity[sources] == identity[targets]).all()
    assert (sources != targets).any()


def test_two_spellings_of_a_number_are_two_names():
    assert number([np.array(["7", "12"]), np.array(["12", "3"])]).tolist() == [7, 12, 12, 3]
    assert len(set(number([np.array(["7", "007"]), np.array(["12"])]).tolist())) == 3


def test_pairs_stay_within_the_given_frames():
    identity = np.repeat(np.arange(4), 5)
    allowed = np.flatnonzero(identity != 2)
    pairs = PairOrder(identity, FrameOrder(allowed, batch_size=15))
    assert set(np.concatenate(pairs.batch(0)).tolist()) <= set(allowed.tolist())


def test_held_out_videos_of_one_frame_are_an_error():
    with pytest.raises(ValueError, match="at least two frames"):
        held_out_pairs(np.arange(3), np.arange(3), count=2, seed=0)


def test_held_out_pairs_are_two_frames_of_one_person():
    identity = np.repeat(np.arange(4), 3)
    sources, targets = held_out_pairs(identity, np.arange(12), count=3, seed=0)
    assert len(sources) == 3
    assert (identity[sources] == identity[targets]).all() and (sources != targets).all()
