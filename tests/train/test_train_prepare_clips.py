"""Who is in a clip, by the names of the published data sets, and which split it belongs to."""

from pathlib import Path

import pytest

from train.preparation.clips import find_clips
from train.preparation.splits import assign_splits, read_test_list


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    return folder


def by_name(folder: Path, layout: str = "auto"):
    found, clips = find_clips(folder, layout)
    return found, {clip.name: clip for clip in clips}


def test_prepared_voxceleb_is_recognised_its_clips_taken_once(tmp_path):
    video = "id10271/37nktPRUJ58"
    make(
        tmp_path,
        f"{video}/chunk_videos/37nktPRUJ58#00001#257-396.mp4",
        f"{video}/chunk_videos/37nktPRUJ58#00002#1-90.mp4",
        f"{video}/frames/00_000025.png",
        f"{video}/frames_cropped/00_000025.png",
        "id10001/abcdefghijk/chunk_videos/abcdefghijk#00001#1-9.mp4",
    )
    layout, clips = by_name(tmp_path)
    assert layout == "voxceleb" and len(clips) == 3
    clip = clips[f"{video}/chunk_videos/37nktPRUJ58#00001#257-396.mp4"]
    assert (clip.identity, clip.video, clip.group) == ("id10271", video, "id10271")
    assert not clip.is_cropped


def test_cropped_frames_of_voxceleb_are_split_into_their_chunks(tmp_path):
    folder = "id10271/37nktPRUJ58/frames_cropped"
    make(tmp_path, *(f"{folder}/{chunk:02d}_{frame:06d}.png" for chunk in (0, 1) for frame in (25, 50, 75)))
    layout, clips = by_name(tmp_path)
    assert layout == "voxceleb" and list(clips) == [f"{folder}/00", f"{folder}/01"]
    assert [path.name for path in clips[f"{folder}/01"].paths] == ["01_000025.png", "01_000050.png", "01_000075.png"]
    assert all(clip.is_cropped and clip.video == "id10271/37nktPRUJ58" for clip in clips.values())


@pytest.mark.parametrize(
    ("name", "layout", "naming"),
    [
        ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "voxceleb", ("id00012", "id00012/21Uxsk56VDQ", "id00012")),
        ("train/id10001#7w0IBEWc9Qw#000993#001143.mp4", "voxceleb", ("id10001", "id10001/7w0IBEWc9Qw", "id10001")),
        ("Clip+0Fzh--ZRv3o+P1+C2+F1537-1825.mp4", "vfhq", ("0Fzh--ZRv3o+P1", "0Fzh--ZRv3o+P1", "0Fzh--ZRv3o")),
        ("Clip+0Fzh--ZRv3o+P1+C2+F1537-1825/00000000.png", "vfhq", ("0Fzh--ZRv3o+P1", "0Fzh--ZRv3o+P1", "0Fzh--ZRv3o")),
        ("M2Ohb0FAaJU_1.mp4", "celebv", ("M2Ohb0FAaJU_1", "M2Ohb0FAaJU_1", "M2Ohb0FAaJU")),
        ("WRA_DebFischer0_000.mp4", "hdtf", ("DebFischer", "DebFischer0", "DebFischer")),
        ("RD_Radio11_001.mp4", "hdtf", ("Radio11", "Radio11", "Radio11")),
        ("holiday_1.mp4", "clips", ("holiday_1.mp4",) * 3),
        ("frames/of/a/clip/0001.jpg", "clips", ("frames/of/a/clip",) * 3),
    ],
)
def test_names_tell_the_layout_and_who_is_who(tmp_path, name, layout, naming):
    found, clips = by_name(make(tmp_path, name))
    (clip,) = clips.values()
    assert found == layout and (clip.identity, clip.video, clip.group) == naming


def test_loose_clips_never_share_a_person(tmp_path):
    _, clips = by_name(make(tmp_path, "a.mp4", "b/a.mp4", "b/c.webm", "d/1.png", "d/2.png"))
    assert len({clip.identity for clip in clips.values()}) == len({clip.video for clip in clips.values()}) == 4


def test_a_folder_for_each_person_is_a_layout(tmp_path):
    _, clips = by_name(make(tmp_path, "ann/one.mp4", "ann/two.mp4", "bob/one.mp4"), "people")
    assert [clip.identity for clip in clips.values()] == ["ann", "ann", "bob"]
    assert len({clip.video for clip in clips.values()}) == 3


def test_a_name_that_does_not_fit_the_layout_is_named(tmp_path):
    make(tmp_path, "id10001/abcdefghijk/00001.mp4", "extra.mp4")
    assert find_clips(tmp_path)[0] == "clips"
    with pytest.raises(ValueError, match="extra.mp4"):
        find_clips(tmp_path, "voxceleb")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Check --input"):
        find_clips(make(tmp_path, "notes.txt"))


def test_test_speakers_of_voxceleb1_and_test_folders_are_a_split(tmp_path):
    make(
        tmp_path,
        *(f"id{number}/abcdefghijk/00001.mp4" for number in (10001, 10269, 10270, 10309, 10310)),
        "test/id00017/abcdefghijk/00001.mp4",
        "dev/id00018/abcdefghijk/00001.mp4",
    )
    _, clips = find_clips(tmp_path)
    splits = assign_splits(clips, frozenset(), validation_every=0)
    assert {group for group, split in splits.items() if split == "test"} == {"id10270", "id10309", "id00017"}
    assert set(splits.values()) == {"train", "test"}


def test_a_person_with_one_test_clip_is_not_trained_on(tmp_path):
    make(tmp_path, "train/id10001#aaaaaaaaaaa#1#2.mp4", "test/id10001#bbbbbbbbbbb#1#2.mp4", "train/id10002#c#1#2.mp4")
    _, clips = find_clips(tmp_path)
    assert assign_splits(clips, frozenset(), 0) == {"id10001": "test", "id10002": "train"}


def test_clips_of_one_video_of_unnamed_people_stay_in_one_split(tmp_path):
    make(tmp_path, *(f"{video:011d}_{clip}.mp4" for video in range(60) for clip in range(2)))
    _, clips = find_clips(tmp_path)
    splits = assign_splits(clips, frozenset(), validation_every=10)
    assert set(splits) == {f"{video:011d}" for video in range(60)}
    assert 1 <= sum(split == "validation" for split in splits.values()) <= 15
    assert splits == assign_splits(clips[::-1], frozenset(), 10)


def test_a_list_names_the_test_split_and_a_wrong_name_is_an_error(tmp_path):
    make(tmp_path / "in", "a.mp4", "b.mp4", "c/d.mp4")
    (tmp_path / "list.txt").write_text("# people to test\na\n\nc/d.mp4\n")
    _, clips = find_clips(tmp_path / "in")
    splits = assign_splits(clips, read_test_list(tmp_path / "list.txt"), 0)
    assert splits == {"a.mp4": "test", "b.mp4": "train", "c/d.mp4": "test"}
    with pytest.raises(ValueError, match="'z'"):
        assign_splits(clips, {"a", "z"}, 0)
