"""Renders a source in other poses: geometry alone, no generative network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_positive_int
from ..face.alignment import invert_transform
from .confidence import BAD_STRETCH, GOOD_STRETCH, stretch, vertex_normals
from .contours import JUMP_PX, contour_pixels, look_closer
from .drawing import Drawing
from .eye_painting import paint_eyes
from .mouth_painting import paint_mouth
from .rasteriser import interpolate, rasterise, value_planes
from .sampling import apply, mix, pixel_centres, sample, smoothstep
from .topology import BACKGROUND, NUM_FACE, SURROUNDINGS, load_topology
from .unseen_skin import mirror_skin, prepare_mirror
from .values import HeadPlacement, WarpedFrames, WarpMotion, WarpSource
from .view import crop_output, moved_vertices, plane_to_output, still_plane

# The texture has at most this many pixels for one of the output, so that fine patterns do not alias.
MAX_DENSITY = 1.2
# Confidence and normals are smooth: beyond this side they are computed for every k-th pixel.
SMOOTH_SIDE = 128
# Magnification of the texture beside the oval from which skin is drawn out over what was background.
SKIRT_STRETCH = (1.5, 2.5)
# Below these the photo bends as a whole; above them the person is cut out and the background stands still: movement
# of the face against the background, cm, or turn of the head, degrees.
FADE_CM, FADE_TURN_DEG = (0.6, 1.4), (8.0, 16.0)


class WarpRenderer:
    """Renders one source at one size. Holds the textures at that size and the still background.

    Args:
        source: made ready.
        size: side of the output, or (height, width), px.
        to_output: (2, 3) aligned px -> px of the output; None shows the aligned crop, which needs a square.
    """

    def __init__(self, source: WarpSource, size: int | tuple[int, int], to_output: Tensor | None = None):
        height, width = (size, size) if isinstance(size, int) else size
        check_positive_int("height", height)
        check_positive_int("width", width)
        if to_output is None and height != width:
            raise ValueError(
                f"Expected a square output for the aligned crop, received {height} x {width} px; pass one side, or "
                f"to_output."
            )
        device = source.device
        self.source, self.height, self.width = source, height, width
        self.to_output = crop_output(height, device) if to_output is None else to_output.to(device).float()
        self._topology = load_topology(device)
        self._pixels = pixel_centres(height, width, device)
        self._still = still_plane(source)
        self._mirror = prepare_mirror(source, self._topology)
        self._set_textures()

    def render(self, motion: WarpMotion) -> WarpedFrames:
        """Warp the source into each frame of a motion; a batch equals its frames one by one."""
        frames = [self._frame(motion.placement.row(i), motion.change[i]) for i in range(len(motion))]
        images, confidence, labels, normals = (torch.stack(parts) for parts in zip(*frames, strict=True))
        return WarpedFrames(images * 2.0 - 1.0, confidence[:, None], labels[:, None], normals)

    def _set_textures(self) -> None:
        source = self.source
        zoom = torch.linalg.det(self.to_output[:, :2]).abs().sqrt()
        density = float(source.crop_side / (256 * zoom))
        layers = torch.cat([source.texture, source.colour, source.inside, source.matte])
        if density > MAX_DENSITY:
            side = max(1, round(source.texture.shape[-1] / density * MAX_DENSITY))
            layers = F.interpolate(layers[None], size=(side, side), mode="bilinear", antialias=True)[0]
        self._texture, self._colour = layers[:3].contiguous(), layers[3:6].contiguous()
        self._inside, self._matte = layers[6:7].contiguous(), layers[7:].contiguous()
        self._zoom = 1 / density
        self._density = min(density, MAX_DENSITY)
        still = apply(source.to_grid, self._aligned(self._pixels))
        background = sample(torch.cat([source.background, source.background_seen]), still)
        self._background, self._background_seen = background[:3], background[3]

    def _aligned(self, pixels: Tensor) -> Tensor:
        """Px of the output as aligned px."""
        return apply(invert_transform(self.to_output[None])[0], pixels)

    def _frame(self, placement: HeadPlacement, change: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image (3, H, W) in [0, 1], confidence (H, W), labels (H, W) uint8, normals (3, H, W)."""
        source, topology = self.source, self._topology
        plane = moved_vertices(source, placement, change, self._still)
        screen = plane_to_output(plane, self.to_output)
        triangle = rasterise(screen, topology.faces, self.height, self.width)
        planes = value_planes(screen, topology.faces, source.places)
        amount = self._separation(placement)
        grid = interpolate(planes, triangle, self._pixels)
        label = torch.where(triangle >= 0, topology.labels[triangle.clamp(min=0)], BACKGROUND)
        zoom = placement.scale[0] / source.scale[0] * self._zoom
        drawn_out = stretch(source.places * (source.texture.shape[-1] / 2), screen[:, :2], zoom)
        trust, skirt, normals = self._smooth_values(plane, screen, triangle, drawn_out)
        skirt = skirt.flatten()
        image, cover = self._shade(grid.view(-1, 2), label.flatten(), skirt, self._background.flatten(1), amount)
        jump = JUMP_PX * 2 / self._texture.shape[-1] * self._density
        contour = contour_pixels(grid, triangle, jump)
        if len(contour):
            seen, places = look_closer(screen, topology.faces, triangle, contour)
            inner = torch.where(seen >= 0, topology.labels[seen.clamp(min=0)], BACKGROUND)
            behind = self._background.flatten(1)[:, contour].repeat_interleave(4, 1)
            closer = interpolate(planes, seen.flatten(), places.view(-1, 2))
            inner_skirt = skirt[contour].repeat_interleave(4)
            closer, closer_cover = self._shade(closer, inner.flatten(), inner_skirt, behind, amount)
            image[:, contour] = closer.view(3, -1, 4).mean(-1)
            cover[contour] = closer_cover.view(-1, 4).mean(-1)
        image, cover = image.view(3, self.height, self.width), cover.view(self.height, self.width)
        pixels, at_least = mirror_skin(
            self._mirror, self._texture, source.skin_light, screen, drawn_out, triangle, grid, image
        )
        flat = trust.view(-1)
        flat[pixels] = torch.maximum(flat[pixels], at_least)
        trust = trust * sample(self._inside, grid)[0].clamp(0, 1)
        confidence = mix(self._background_seen * amount, trust, cover)
        head = source.shape + change
        points = plane_to_output(placement.place(head[None])[0], self.to_output)[:, :2]
        drawing = Drawing(image, confidence, grid, self._pixels, points, head, change, placement)
        paint_eyes(source, self._texture, drawing)
        paint_mouth(source, drawing, self.to_output)
        return image.clamp_(0.0, 1.0), confidence.clamp_(0.0, 1.0), label.to(torch.uint8), normals

    def _shade(
        self, grid: Tensor, label: Tensor, skirt: Tensor, background: Tensor, amount: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Colours (3, P) of places and how much the person, or the bent photo, covers them (P,).

        Args:
            grid: (P, 2) where their texture lies.
            label: (P,) the part they show.
            skirt: (P,) how far skin is drawn out over background.
            background: (3, P) what lies behind.
            amount: () how far the person is cut out of the background.
        """
        image = sample(self._texture, grid, "bicubic")
        hit = (label != BACKGROUND).float()
        if amount <= 0:
            return mix(background, image, hit), hit
        matte = sample(self._matte, grid)[0].clamp(0, 1)
        matte = torch.where(label == SURROUNDINGS, matte, hit)
        matte = torch.maximum(matte, skirt * (label == SURROUNDINGS))
        soft = ((matte < 0.99) | (skirt > 0.01)) & (matte > 0.01) & (label == SURROUNDINGS)
        soft = soft.nonzero()[:, 0]
        own = image.clone() if amount < 1 else image
        own[:, soft] = sample(self._colour, grid[soft], "bicubic")
        cut = mix(background, own, matte)
        if amount >= 1:
            return cut, matte
        return mix(mix(background, image, hit), cut, amount), mix(hit, matte, amount)

    def _smooth_values(
        self, plane: Tensor, screen: Tensor, triangle: Tensor, drawn_out: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What each surface's trust (H, W), skirt (H, W) and normal (3, H, W) are."""
        source = self.source
        near = torch.cat([torch.zeros_like(source.seen[:NUM_FACE]), source.ring_skirt])
        near = near * smoothstep(*SKIRT_STRETCH, drawn_out)
        values = torch.stack([source.seen, drawn_out, near], dim=1)
        values = torch.cat([values, vertex_normals(plane)], dim=1)
        step = max(1, -(-max(self.height, self.width) // SMOOTH_SIDE))
        coarse = triangle[::step, ::step].contiguous()
        pixels = self._pixels[::step, ::step]
        values = interpolate(value_planes(screen, self._topology.faces, values), coarse, pixels)
        seen, drawn_out, shown = values[..., 0], values[..., 1], values[..., 2:]
        trust = seen.clamp(0, 1) * (1 - smoothstep(GOOD_STRETCH, BAD_STRETCH, drawn_out))
        values = torch.cat([trust[None], shown.permute(2, 0, 1)]) * (coarse >= 0)
        if step > 1:
            size = (step * coarse.shape[0], step * coarse.shape[1])
            values = F.interpolate(values[None], size=size, mode="bilinear")[0, :, : self.height, : self.width]
        normal = values[2:]
        return values[0], values[1].clamp(0, 1), normal * (normal * normal).sum(0).clamp(min=1e-12).rsqrt()

    def _separation(self, placement: HeadPlacement) -> Tensor:
        """() 0 where the photo bends as a whole, 1 where the matte decides."""
        source = self.source
        shape = source.shape[None, :468]
        before, after = source.placement.place(shape)[..., :2], placement.place(shape)[..., :2]
        way = (after - before).norm(dim=-1).mean() / placement.scale[0]
        trace = (source.rotation[0] * placement.rotation[0]).sum()
        turn = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
        fade = torch.maximum(smoothstep(*FADE_CM, way), smoothstep(*FADE_TURN_DEG, turn))
        return fade * source.separable
