"""Silent passages of a sound: where they begin and end, and that no more of it is read than is asked for."""

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from diffusionact.video.silence import RATE, SilenceLevel, Stillness, levels_of, stillness_of
from diffusionact.video.sound_reading import UnreadableSoundError

FULL = SilenceLevel()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """1 s of silence, 1 s of a tone, a pause of 0.2 s, 1 s of the tone, and 1 s of noise at -60 dB."""
    seconds = np.arange(RATE) / RATE
    tone, pause = 0.3 * np.sin(2 * np.pi * 440 * seconds), np.zeros(RATE // 5)
    noise = 0.001 * np.random.default_rng(0).standard_normal(RATE)
    samples = np.concatenate([np.zeros(RATE), tone, pause, tone, noise])
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = RATE
        container.mux([*track.encode(frame), *track.encode(None)])
    return path


def test_the_mouth_rests_in_silence_and_not_in_short_pauses(sound):
    stillness = Stillness(sound, Fraction(0))
    moments = [0.0, 0.5, 0.85, 1.0, 1.5, 1.99, 2.1, 2.5, 3.19, 3.5, 4.1, 60.0]
    found = [stillness.at(second) for second in moments]
    assert found == [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    later = Stillness(sound, Fraction(1))
    assert [later.at(second) for second in (0.0, 1.0, 2.6)] == [0, 0, 1], "from another moment on"


def test_lips_open_before_the_sound_and_close_after_it():
    levels = [-80.0] * 50 + [-20.0] * 50 + [-80.0] * 50
    values = list(stillness_of(iter(levels), FULL))
    assert len(values) == 150
    assert values[49] < 0.1 and set(values[50:100]) == {0.0} and values[100] < 0.1
    opening, closing = values[36:51], values[99:114]
    assert opening == sorted(opening, reverse=True) and closing == sorted(closing)
    assert max(abs(np.diff(values))) < 0.2


def test_a_level_that_wavers_does_not_flutter():
    wavering = [-80.0] * 40 + [-41.0, -39.0] * 40 + [-30.0] * 20
    values = list(stillness_of(iter(wavering), FULL))
    assert set(values[:100]) == {1.0}, "below the level by less than the hysteresis"
    assert values[120] == 0.0


def test_sound_is_read_as_far_as_it_is_asked_for():
    given = 0

    def endless():
        nonlocal given
        while True:
            given += 1
            yield np.zeros((1, RATE // 10), np.float32)

    values = stillness_of(levels_of(endless()), FULL)
    assert list(islice(values, 100)) == [1.0] * 100 and given <= 13


def test_files_without_sound_are_rejected(tmp_path):
    path = tmp_path / "none.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(UnreadableSoundError):
        Stillness(path)
    with pytest.raises(ValueError, match="silence_level"):
        SilenceLevel(3.0)
