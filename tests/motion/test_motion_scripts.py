"""Motion scripts: what moves between keyframes, what is random and yet repeats, and files."""

from fractions import Fraction

import pytest

from diffusionact.motion import PRESETS, Keyframe, MotionScript, Timeline, draw_curves, load_script, save_script
from diffusionact.motion.files import parse_script
from diffusionact.motion.idle import IdleLife
from diffusionact.motion.talking import Talking

LIVELY = MotionScript(4.0, (Keyframe(0, {"yaw": 0}), Keyframe(1, {"yaw": 20})), idle=IdleLife(3), talk=Talking(3))


def shut_runs(frames, threshold=-0.5):
    """Lengths of the runs of frames in which the eyes are more closed than open."""
    runs, length = [], 0
    for values in [*frames, {}]:
        if values.get("eyes", 0.0) < threshold:
            length += 1
        elif length:
            runs.append(length)
            length = 0
    return runs


def difference(one, other):
    return max(abs(one.get(name, 0) - other.get(name, 0)) for name in one | other)


def test_channels_pass_keyframes_that_do_not_name_them():
    script = MotionScript(
        2.0,
        (Keyframe(0, {"yaw": 0, "smile": 0}), Keyframe(1, {"smile": 1}, "linear"), Keyframe(2, {"yaw": 20})),
        loop=False,
        steady_gaze=0.0,
    )
    halfway = script.at(1.0)
    assert halfway["yaw"] == pytest.approx(10.0)
    assert halfway["smile"] == pytest.approx(1.0)
    assert script.at(0.25)["smile"] == pytest.approx(0.25)
    assert script.at(9.0)["yaw"] == pytest.approx(20.0), "the last keyframe stays"


def test_looping_channels_go_back_to_their_first_keyframe():
    script = MotionScript(2.0, (Keyframe(0.5, {"roll": 4}), Keyframe(1.5, {"roll": -4})))
    assert script.at(0.0)["roll"] == script.at(2.0)["roll"] == pytest.approx(0.0)
    assert script.at(3.5)["roll"] == pytest.approx(-4.0)


@pytest.mark.parametrize("seconds", [1.7, 4.0, 11.3])
def test_a_seamless_clip_ends_where_it_begins(seconds):
    timeline = Timeline.of(LIVELY, 25, seconds, is_seamless=True)
    frames = list(timeline)
    steps = [difference(one, other) for one, other in zip(frames, frames[1:], strict=False)]
    assert difference(LIVELY.at(timeline.seconds, timeline.seconds), frames[0]) < 1e-6
    assert difference(frames[-1], frames[0]) <= max(steps)


def test_a_seed_repeats_itself_and_others_differ():
    frames = [list(Timeline.of(LIVELY.seeded(seed), 25, 3.0)) for seed in (7, 7, 8)]
    assert frames[0] == frames[1]
    assert max(map(difference, frames[0], frames[2])) > 0.5


def test_people_at_rest_blink_as_people_do():
    frames = list(Timeline.of(MotionScript(60.0, idle=IdleLife(5)), 100))
    runs = shut_runs(frames, -0.1)
    assert 12 <= len(runs) <= 26
    assert all(0.10 <= length / 100 <= 0.25 for length in runs)
    at_25 = shut_runs(list(Timeline.of(MotionScript(60.0, idle=IdleLife(5)), 25)), -0.85)
    assert len(at_25) == len(shut_runs(frames, -0.85)), "no blink falls between two frames"
    assert max(abs(values["yaw"]) for values in frames) < 8


def test_eyes_stay_where_they_looked_while_the_head_turns():
    turned = MotionScript(1.0, (Keyframe(0, {"yaw": 10, "pitch": 6}),), steady_gaze=0.5).at(0.0)
    assert turned["gaze_horizontal"] == pytest.approx(-5.0)
    assert turned["gaze_vertical"] == pytest.approx(3.0)


@pytest.mark.parametrize("name", PRESETS)
def test_bundled_motions_move_smoothly_within_their_limits(name):
    timeline = Timeline.of(load_script(name), 25)
    frames = list(timeline)
    assert len(frames) == round(load_script(name).seconds * 25)
    slow = [{k: v for k, v in f.items() if k in ("yaw", "pitch", "roll")} for f in frames]
    assert max(map(difference, slow, slow[1:])) < 5, "degrees per frame"
    assert tuple(draw_curves(timeline, 25).shape) == (360, 640, 3)


def test_scripts_are_the_same_after_saving(tmp_path):
    save_script(LIVELY, tmp_path / "own.json")
    assert load_script(tmp_path / "own.json") == LIVELY
    pytest.importorskip("yaml")
    (tmp_path / "own.yaml").write_text("seconds: 1.5\nidle: true\nkeyframes:\n- {time: 1, smile: 0.5, ease: out}\n")
    own = load_script(tmp_path / "own.yaml")
    assert own == MotionScript(1.5, (Keyframe(1, {"smile": 0.5}, "out"),), idle=IdleLife())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expected JSON"),
        ('{"speed": 2}', "received speed"),
        ('{"keyframes": [{"yaw": 2}]}', "with a time"),
        ('{"keyframes": [{"time": 0, "jaw": 2}]}', "'jaw'"),
        ('{"keyframes": [{"time": 0, "smile": 2}]}', "smile from -1 to 1"),
        ('{"keyframes": [{"time": 0, "yaw": "left"}]}', "yaw from -90 to 90"),
        ('{"seconds": 1, "keyframes": [{"time": 2, "yaw": 0}]}', "within the 1 s"),
        ('{"idle": {"strength": 5}}', "strength of idle"),
        ("[]", "a motion of"),
    ],
)
def test_wrong_scripts_are_rejected_with_a_clear_error(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_script(text)


def test_the_length_is_a_whole_number_of_frames():
    timeline = Timeline.of(MotionScript(1.0), Fraction(30000, 1001), 2.0)
    assert timeline.frame_count == 60
    assert timeline.frame_rate == Fraction(30000, 1001)
