"""What an observer sees: rows without a face are marked, true frames are looked at once, embeddings are optional."""

import torch

from diffusionact.evaluation import FrameSetObserver, Observer, load_frame_set
from diffusionact.images import resize

CPU = torch.device("cpu")


def mean_colour(images, landmarks):
    return images.mean(dim=(2, 3))


def test_observer_marks_the_row_without_a_face_and_no_other(data_folder):
    frame = load_frame_set(data_folder).images([0])
    seen = Observer(mean_colour, CPU).look(torch.cat([frame, torch.zeros_like(frame), frame]))
    assert seen.found.tolist() == [True, False, True]
    for values in (seen.landmarks, seen.head_pose, seen.gaze, seen.expression, seen.embedding):
        assert values[1].isnan().all() and values[[0, 2]].isfinite().all()
        assert torch.equal(values[0], values[2])


def test_observer_sees_landmarks_in_pixels_of_256_whatever_the_size(data_folder):
    frame = load_frame_set(data_folder).images([0])
    small, large = (Observer(None, CPU).look(resize(frame, size)) for size in (64, 256))
    assert (small.landmarks - large.landmarks).norm(dim=-1).mean() < 2
    assert small.embedding.shape == (1, 0)


def test_frame_set_observer_looks_at_every_true_frame_once(data_folder):
    looked = []

    def counted(images, landmarks):
        looked.append(len(images))
        return mean_colour(images, landmarks)

    observer = FrameSetObserver(load_frame_set(data_folder), counted, CPU)
    first, again = observer.look_at_true_frames([0, 1, 0]), observer.look_at_true_frames([1, 0])
    assert sum(looked) == 2
    assert torch.equal(first.head_pose[[1, 0]], again.head_pose) and torch.equal(first.gaze[0], first.gaze[2])
