"""Frame sets and lists of pairs."""

import json
from dataclasses import replace

import pytest
import torch
from evaluation_data import turned, write_data

from diffusionact.evaluation import PROTOCOLS, ProtocolOptions, Steps, load_frame_set, make_protocol, read_pairs
from diffusionact.evaluation.frame_set import spaced_positions
from diffusionact.evaluation.plan import all_tasks
from diffusionact.evaluation.protocols import write_pairs

OPTIONS = ProtocolOptions(steps=Steps(2, 4), inference_values=(1, 2), inversion_values=(4,), cross_pairs=4)


@pytest.fixture(scope="module")
def frames(data_folder):
    return load_frame_set(data_folder)


def names(frames, protocol):
    return [(frames.keys[pair.source], [frames.keys[row] for row in pair.driving]) for pair in protocol.pairs]


def test_a_frame_set_finds_videos_and_reads_their_images(frames, people):
    assert [video.name for video in frames.videos] == ["video-ann", "video-bob"]
    assert frames.size == 64 and len(frames) == 6 and frames.is_rendered
    row = frames.rows["clip-bob_0001"]
    expected = torch.from_numpy(people["bob"][1].image.copy()).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(frames.images([row, row])[1], expected)
    torch.testing.assert_close(frames.landmarks[row], torch.from_numpy(people["bob"][1].landmarks), atol=1e-3, rtol=0)


def test_only_the_test_split_is_read_where_there_is_one(people, tmp_path):
    marked = {
        "ann": [replace(frame, split="train") for frame in people["ann"]],
        "bob": [replace(frame, split="test") for frame in people["bob"]],
    }
    assert [video.identity for video in load_frame_set(write_data(tmp_path, marked)).videos] == ["bob"]


def test_a_limit_of_frames_spreads_over_the_video_from_its_first_frame(data_folder):
    assert spaced_positions(9, 3) == [0, 4, 8]
    assert spaced_positions(3, None) == [0, 1, 2] == spaced_positions(3, 7)
    video = load_frame_set(data_folder, videos=1, frames_per_video=2).videos[0]
    assert (video.spaced, video.leading) == ((0, 2), (0, 1))


def test_images_of_another_size_are_rejected_by_name(people, tmp_path):
    other = replace(people["bob"][2], image=people["bob"][2].image[:32, :32])
    frames = load_frame_set(write_data(tmp_path, {"ann": people["ann"], "bob": [*people["bob"][:2], other]}))
    with pytest.raises(ValueError, match=r"one size, 64 px, received \(32, 32, 3\) for frame clip-bob_0002"):
        frames.images([5])


def test_a_folder_without_two_frames_of_anybody_is_rejected(people, tmp_path):
    single = {person: frames[:1] for person, frames in people.items()}
    with pytest.raises(ValueError, match="videos of at least two frames"):
        load_frame_set(write_data(tmp_path, single))


def test_the_first_frame_of_each_video_is_driven_by_its_others(frames):
    expected = [
        ("clip-ann_0000", ["clip-ann_0001", "clip-ann_0002"]),
        ("clip-bob_0000", ["clip-bob_0001", "clip-bob_0002"]),
    ]
    assert names(frames, make_protocol("self", frames, OPTIONS)) == expected
    assert names(frames, make_protocol("temporal", frames, OPTIONS)) == expected


def test_cross_pairs_join_different_people_and_depend_on_the_seed_only(frames):
    pairs = make_protocol("cross", frames, OPTIONS).pairs
    assert pairs and all(frames.identity[pair.source] != frames.identity[pair.driving[0]] for pair in pairs)
    assert not any(pair.is_same_person for pair in pairs)
    assert pairs == make_protocol("cross", frames, OPTIONS).pairs
    assert len(make_protocol("cross", frames, replace(OPTIONS, cross_pairs=1)).pairs) == 1


def test_large_pose_pairs_differ_by_thirty_degrees_and_begin_frontal(people, tmp_path):
    ann = [turned(people["ann"][0], yaw, number) for number, yaw in enumerate((-5.0, 40.0, 10.0))]
    bob = [turned(people["bob"][0], yaw, number) for number, yaw in enumerate((0.0, 29.0))]
    frames = load_frame_set(write_data(tmp_path, {"ann": ann, "bob": bob}))
    assert names(frames, make_protocol("large_pose", frames, OPTIONS)) == [("clip-ann_0000", ["clip-ann_0001"])]


def test_a_protocol_without_pairs_is_rejected(frames):
    with pytest.raises(ValueError, match="Expected pairs for the protocol 'large_pose'"):
        make_protocol("large_pose", frames, OPTIONS)


def test_the_written_list_of_pairs_is_read_back_as_it_was(frames, tmp_path):
    protocols = [make_protocol(name, frames, OPTIONS) for name in ("self", "cross")]
    path = tmp_path / "pairs.json"
    path.write_text(write_pairs(frames, protocols))
    listed = read_pairs(path, frames)
    assert listed == {protocol.name: protocol.pairs for protocol in protocols}
    steps = make_protocol("steps", frames, replace(OPTIONS, listed=listed))
    assert steps.pairs == protocols[0].pairs
    path.write_text(write_pairs(frames, [steps]))
    assert read_pairs(path, frames) == {"self": steps.pairs}


def test_videos_may_stand_in_a_list_in_place_of_frames(frames, tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"cross": [{"source": "video-ann", "driving": ["video-bob"]}]}))
    (pair,) = read_pairs(path, frames)["cross"]
    assert (pair.source, pair.driving, pair.is_same_person) == (0, (3, 4, 5), False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSONDecodeError"),
        ('{"cross": [{"source": "clip-ann_0000"}]}', "KeyError: 'driving'"),
        ('["cross"]', "Expected a list of pairs as"),
        ('{"cross": [{"source": "nobody", "driving": ["clip-ann_0000"]}]}', "received 'nobody' which is not among"),
        ('{"steps": []}', "received 'steps'"),
    ],
)
def test_a_damaged_list_of_pairs_is_said_in_words(frames, tmp_path, text, message):
    path = tmp_path / "pairs.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_pairs(path, frames)


def test_protocols_that_need_the_same_images_share_them(frames):
    protocols = [make_protocol(name, frames, OPTIONS) for name in PROTOCOLS if name != "large_pose"]
    tasks = all_tasks(frames, protocols, ["model"])
    for found in tasks.values():
        assert len({task.key for task in found}) == len(found)
    assert len(tasks["copied source"]) == 2 + len(protocols[1].pairs)  # self and temporal are the same here
    steps = {(task.steps.inference, task.steps.inversion) for task in tasks["model"]}
    assert steps == {(2, 4), (1, 50), (2, 50), (20, 0), (20, 4)}
