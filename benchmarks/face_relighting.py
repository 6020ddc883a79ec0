"""What broad relighting gives when a head turns: synthetic portraits warped by their true geometry, with and without.

`python -m benchmarks.face_relighting` renders people at the front and turned, carries the front's skin onto the turned
head by the true surface, and prints the PSNR of the face: as carried, relit with true normals, and with the
truth's broad light as the bound.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.images import uint8_to_unit
from diffusionact.warping.light import fit_light, relight
from portraits.camera import Camera, Jitter
from portraits.frames import sample_portrait
from portraits.geometry import vertex_normals
from portraits.head import SKIN, Head, PosedHead
from portraits.rasteriser import rasterise
from portraits.render import FACE_LABEL, Portrait

SEED = 909
TURNS_DEG = (15, -15, 30, -30, 45, -45)
OCCLUSION_DM = 0.05


class View:
    """One rendered pose: image, labels, and the skin's surface under each pixel (triangle, weights, normals)."""

    def __init__(self, portrait: Portrait, yaw_deg: float, size: int):
        head = portrait.head
        still = np.zeros(len(head.action_names), np.float32)
        posed = PosedHead(head, portrait.identity.shape, still, np.radians([yaw_deg, 0, 0]), np.zeros(2))
        camera = Camera(posed, portrait.scene.distance, Jitter())
        image, labels = portrait.render(posed, camera, size)
        self.image = uint8_to_unit(torch.from_numpy(image)).permute(2, 0, 1)[None]
        self.screen = camera.screen(posed.vertices.astype(np.float32), size)
        self.faces = head.faces.astype(np.int32)
        pixel, triangle, bary = rasterise(self.screen, self.faces, size, np.zeros(len(self.faces), bool))
        skin = (head.part[triangle] == SKIN) & (labels.reshape(-1)[pixel] == FACE_LABEL)
        self.pixel, self.triangle, self.bary = pixel[skin], triangle[skin], bary[skin]
        self.vertex_normals = vertex_normals(posed.vertices, head.faces)
        self.depth = np.full(size * size, 1e9, np.float32)
        self.depth[pixel] = (self.screen[self.faces[triangle], 2] * bary).sum(1)
        self.size = size

    def on_surface(self, values: np.ndarray, at: View | None = None) -> np.ndarray:
        """Vertex values (N, C) at the surface points of the pixels of `at`."""
        at = at or self
        return (values[self.faces[at.triangle]] * at.bary[..., None]).sum(1)

    def normals(self, at: View | None = None) -> np.ndarray:
        """This pose's unit normals (M, 3) at the surface points of the pixels of `at`."""
        found = self.on_surface(self.vertex_normals, at)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def carry(source: View, target: View) -> tuple[Tensor, Tensor]:
    """The source's skin on the target's pixels (1, 3, S, S) and where the source saw it (1, 1, S, S)."""
    size = target.size
    place = source.on_surface(source.screen, target)
    at = np.clip(np.floor(place[:, :2]).astype(int), 0, size - 1)
    seen = (source.normals(target)[:, 2] > 0.2) & (
        source.depth[at[:, 1] * size + at[:, 0]] > place[:, 2] - OCCLUSION_DM
    )
    grid = torch.from_numpy(place[:, :2] / size * 2 - 1).float()[None, None]
    colour = F.grid_sample(source.image, grid, mode="bicubic", align_corners=False)[0, :, 0].clamp(0, 1)
    carried = target.image.clone()
    carried.reshape(3, -1)[:, target.pixel] = colour
    mask = torch.zeros(size * size)
    mask[target.pixel[seen]] = 1
    return carried, mask.reshape(1, 1, size, size)


def normal_map(values: np.ndarray, view: View) -> Tensor:
    """(1, 3, S, S) with normals (M, 3) at the view's pixels, 0 elsewhere."""
    out = torch.zeros(3, view.size * view.size)
    out[:, view.pixel] = torch.from_numpy(values.T.astype(np.float32))
    return out.reshape(1, 3, view.size, view.size)


def psnr(a: Tensor, b: Tensor, mask: Tensor) -> float:
    """Over the masked pixels, dB."""
    return float(-10 * torch.log10(((a - b).square() * mask).sum() / (3 * mask.sum())))


def own_broad_light(carried: Tensor, truth: Tensor, mask: Tensor, sigma: int = 12) -> Tensor:
    """The carried skin with the truth's low frequencies: what a perfect broad light would give."""

    def low(x: Tensor) -> Tensor:
        for _ in range(3):
            x = F.avg_pool2d(x, 2 * sigma + 1, 1, sigma)
        return x

    return (carried * (low(truth * mask) / low(carried * mask).clamp(min=1e-4))).clamp(0, 1)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--size", type=int, default=256, help="side of the portraits, pixels")
    options = parser.parse_args()
    head, rows = Head(), []
    for person in range(options.people):
        portrait = sample_portrait(head, np.random.default_rng((SEED, person)))
        source = View(portrait, 0, options.size)
        colours = source.image.reshape(3, -1)[:, source.pixel].T
        normals = torch.from_numpy(source.normals()).float()
        light = fit_light(colours, normals, normals[:, 2].clamp(min=0))
        for turn in TURNS_DEG:
            target = View(portrait, turn, options.size)
            carried, mask = carry(source, target)
            maps = normal_map(target.normals(), target), normal_map(source.normals(target), target)
            images = carried, relight(carried, *maps, light), own_broad_light(carried, target.image, mask)
            rows.append((person, abs(turn), *(psnr(image, target.image, mask) for image in images)))
    table = np.array(rows)
    print("turn | carried | relit | bound, dB of the face's seen skin")
    for turn in np.unique(table[:, 1]):
        print(f"{turn:4.0f} | " + " | ".join(f"{x:.2f}" for x in table[table[:, 1] == turn, 2:].mean(0)))
    gain = table[:, 3] - table[:, 2]
    print(f"gain by person: {[round(float(gain[table[:, 0] == p].mean()), 2) for p in range(options.people)]} dB")


if __name__ == "__main__":
    main()
