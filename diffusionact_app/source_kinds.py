"""What can be the source on the Animate tab, and what the page shows for each."""

from __future__ import annotations

PHOTO, CLIP, GROUP = "photo", "clip", "group"
KINDS = [("A photo", PHOTO), ("A video clip", CLIP), ("Several faces", GROUP)]

MOTION_INFO = {
    PHOTO: "In place of a driving video: choose what the photo does.",
    CLIP: "In place of a driving video: added to the clip's own motion.",
    GROUP: "",
}
READY_NOTES = {
    PHOTO: "Choose a photo and a video, or an example, and press Animate.",
    CLIP: "Choose a clip, then a driving video or a motion, or only change eyes and mouth.",
    GROUP: "Choose a photo with several faces, and say what each of them does.",
}
STAGE_LABELS = {
    PHOTO: "Source, driver, result",
    CLIP: "From source to result",
    GROUP: "Source, result",
}
WHOLE_LABELS = {PHOTO: "Whole photo", CLIP: "Whole clip", GROUP: "Whole photo"}
