"""Renders a source in other poses: geometry alone, no generative network."""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_in_range, check_positive_int
from ..face.geometry.alignment import invert_transform
from .behind import Behind, draw_behind, may_show
from .confidence import BAD_STRETCH, GOOD_STRETCH, face_normals, inverse_edges, stretch
from .creases import find_creases, relax_creases
from .drawing import Drawing
from .eye_painting import paint_eyes
from .head_shell import find_shell, place_shell
from .hidden_side import TURN_BACK_DEG, find_hidden_side, giving_way, growth, place_hidden_side, turn_back
from .light import MIN_CHANGE, Relighting
from .mouth_painting import paint_mouth
from .rasteriser import gather, interpolate, rasterise, value_planes
from .sampling import apply, enlarge_smooth, mix, pixel_centres, sample, side_by_side, smooth_step, smoothstep
from .shading import Visible, draw_surfaces, part_labels, textures_for
from .surroundings import ring_normals, skull_normals
from .topology import NUM_FACE, OVAL, index_of, load_topology
from .unseen_skin import fill_unseen_skin, find_unseen_skin
from .values import HeadPlacement, WarpedFrames, WarpMotion, WarpSource
from .view import crop_output, moved_vertices, plane_to_output, still_plane

# Magnification of the texture beside the oval from which skin is drawn out over what was background.
SKIRT_STRETCH = (1.5, 2.5)
# Below these the photo bends as a whole; above them the person is cut out and the background stands still: movement
# of the face against the background, cm, or turn of the head, degrees.
FADE_CM, FADE_TURN_DEG = (0.6, 1.4), (8.0, 16.0)
# Skin that the photo hardly saw is filled in from the first of these turns on, degrees; an expression alone draws out
# what was seen.
FILL_TURN_DEG = (2.0, 8.0)
# Less opacity than this shows nothing, and says nothing of a colour.
MIN_ALPHA = 1e-3
# How far the light follows the turn by default, see `docs/photo_warp.md`.
RELIGHT = 0.8


class WarpRenderer:
    """Renders one source at one size. Holds the textures at that size and the still background.

    What turning does to the light is `light`, a `Relighting` that may be replaced; None leaves the light as it is.

    Args:
        source: made ready.
        size: side of the output, or (height, width), px.
        to_output: (2, 3) aligned px -> px of the output; None shows the aligned crop, which needs a square.
        relight: in [0, 1], how far the light on the skin is put right when the head turns under it; 0 leaves the
            light as it is in the photo.
        transparent: what the photo does not show stays transparent. Of a photo without transparency the person alone
            is shown, which needs a matte.

    Raises:
        ValueError: if the size is none, or no square where it must be one, or `relight` is outside [0, 1].
    """

    def __init__(
        self,
        source: WarpSource,
        size: int | tuple[int, int],
        to_output: Tensor | None = None,
        relight: float = RELIGHT,
        transparent: bool = False,
    ):
        height, width = (size, size) if isinstance(size, int) else size
        check_positive_int("height", height)
        check_positive_int("width", width)
        if to_output is None and height != width:
            raise ValueError(
                f"Expected a square output for the aligned crop, received {height} x {width} px; pass one side, or "
                f"to_output."
            )
        check_in_range("relight", relight, 0.0, 1.0)
        device = source.device
        self.source, self.height, self.width = source, height, width
        self.to_output = crop_output(height, device) if to_output is None else to_output.to(device).float()
        self._topology = load_topology(device)
        self._pixels = pixel_centres(height, width, device)
        self._axes = self._pixels[0, :, 0].contiguous(), self._pixels[:, :1, 1].contiguous()
        self._still, self._skull = still_plane(source), skull_normals(source)
        self._unseen = find_unseen_skin(source, self._topology)
        self._shell = find_shell(source)
        self._hidden = find_hidden_side(source, self._topology)
        self._gives_way = len(self._hidden.faces) > 0 or bool(self._hidden.double.any())
        self._creases = find_creases(source)
        density = float(source.crop_side / (256 * torch.linalg.det(self.to_output[:, :2]).abs().sqrt()))
        self._zoom = 1 / density
        self._edges = inverse_edges(source.positions * (source.texture.shape[-1] / 2))
        self._textures = textures_for(source, density)
        still = apply(source.to_grid, apply(invert_transform(self.to_output[None])[0], self._pixels))
        background = sample(torch.cat([source.background, source.background_seen]), still)
        self._background, self._background_seen = background[:3], background[3]
        self._transparent, self._behind_alpha = transparent, torch.ones_like(self._background_seen)
        # Where alpha is the matte, the background is nothing.
        self._cut_out = transparent and source.alpha.numel() == 1
        if self._cut_out:
            self._background, self._behind_alpha = 0 * self._background, 0 * self._behind_alpha
        elif transparent:
            self._behind_alpha = sample(source.alpha, still)[0].clamp(0, 1)
        face = source.placement.place(source.shape[None, :NUM_FACE])[0]
        self._before = face[:, :2].contiguous()
        self.light = Relighting(source, face, relight) if relight > 0 else None

    def render(self, motion: WarpMotion) -> WarpedFrames:
        """Warp the source into each frame of a motion; a batch equals its frames one by one within rounding."""
        with torch.inference_mode():  # a tenth faster than no_grad, as a frame is a thousand small steps
            frames = [self._frame(motion.placement.row(i), motion.change[i]) for i in range(len(motion))]
        images, confidence, labels, normals, alpha = (torch.stack(parts) for parts in zip(*frames, strict=True))
        return WarpedFrames(images.mul_(2.0).sub_(1.0), confidence[:, None], labels[:, None], normals, alpha[:, None])

    def _frame(self, placement: HeadPlacement, change: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Image (3, H, W) in [0, 1], confidence (H, W), labels (H, W) uint8, smooth normals (3, h, w), alpha (H, W)."""
        source = self.source
        # 1. Where every vertex lies and what each pixel shows.
        plane = moved_vertices(source, placement, change, self._still)
        screen = plane_to_output(plane, self.to_output)
        magnified = stretch(self._edges, screen[:, :2], placement.scale[0] / source.scale[0] * self._zoom)
        away = self._degrees_away(placement)
        amount = self._separation(placement, away)
        turn, grown = turn_back(source, placement), None
        if self._gives_way and turn > TURN_BACK_DEG[0] and source.separable > 0:
            grown = growth(self._hidden, turn, amount)
        bent = bool(amount <= 0) and grown is None  # the photo bends as a whole
        smooth = self._smooth_vertices(plane, placement, magnified, grown, turn)
        visible, smooth_planes = self._look(screen, smooth, bent)
        # 2. Colours, and how far they may be trusted.
        trust, skirt, light, normals = self._smooth_values(visible.triangle, smooth_planes, bent)
        background, background_seen, behind = self._uncovered(screen, visible.label, placement, change, amount, grown)
        image, cover = draw_surfaces(self._textures, self._topology, visible, skirt, background, amount)
        needed = smoothstep(*FILL_TURN_DEG, away)
        fill_unseen_skin(self._unseen, source, self._textures.photo, visible, magnified, needed, image, trust)
        trust = trust * visible.masks[0]
        confidence = trust if cover is None else mix(background_seen * amount, trust, cover)
        # 3. Creases, eyes and mouth.
        head = source.shape + change
        points = plane_to_output(placement.place(head[None])[0], self.to_output)[:, :2]
        drawing = Drawing(image, confidence, visible.grid, self._pixels, points, head, change, placement)
        relax_creases(self._creases, drawing)
        paint_eyes(source, self._textures.photo, drawing)
        paint_mouth(source, drawing, self.to_output)
        # 4. Light.
        if light is not None:
            image.mul_(light if cover is None else mix(1.0, light, cover))
        alpha = self._alpha(visible, cover, amount, behind)
        if self._cut_out:  # over black so far
            image.div_(alpha.clamp(min=MIN_ALPHA))
        return image.clamp_(0.0, 1.0), confidence.clamp_(0.0, 1.0), visible.label, normals, alpha

    def _alpha(self, visible: Visible, cover: Tensor | None, amount: Tensor, behind: Tensor) -> Tensor:
        """(H, W) opacity of a frame, given that of what lies behind the person."""
        if not self._transparent:
            return behind
        alpha = torch.ones_like(behind) if cover is None else mix(behind, 1.0, cover)
        if not self._cut_out:  # where the photo bends as a whole, its alpha does, too
            missing = 1 - sample(self.source.alpha, visible.grid)[0].clamp(0, 1)
            alpha = alpha - (1 - amount) * missing * (visible.triangle >= 0)
        return alpha.clamp(0.0, 1.0)

    def _uncovered(
        self,
        screen: Tensor,
        label: Tensor,
        placement: HeadPlacement,
        change: Tensor,
        amount: Tensor,
        grown: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The background, its confidence and alpha, with what a turn uncovers: head's back, turned photo's far side."""
        surfaces = []
        if amount > 0 and len(self._shell.faces):
            surfaces.append(place_shell(self._shell, placement, self.to_output, amount))
        if grown is not None and len(self._hidden.faces):
            surfaces.append(place_hidden_side(self._hidden, screen, placement, change, self.to_output, grown))
        if not surfaces:
            return self._background, self._background_seen, self._behind_alpha
        still = (self._background, self._background_seen, self._behind_alpha)
        behind = Behind(*(layer.clone() for layer in still), may_show(label))
        for surface in surfaces:  # one by one, as both are soft where the one goes over into the other
            draw_behind(behind, self._textures, surface)
        return behind.image, behind.sure, behind.alpha

    def _look(self, screen: Tensor, values: Tensor, bent: bool) -> tuple[Visible, Tensor]:
        """What the mesh (N, 3) px shows, and the planes (3, C, T) of further values (N, C) of the vertices."""
        faces = self._topology.faces
        triangle = rasterise(screen, faces, self.height, self.width)
        planes = value_planes(screen, faces, torch.cat([self.source.positions, values], dim=1))
        positions, others = planes[:, :2], planes[:, 2:]
        grid = side_by_side(*interpolate(positions, triangle, *self._axes))
        masks = sample(self._textures.masks[: 1 if bent else 2], grid).clamp_(0.0, 1.0)
        return Visible(screen, triangle, positions, grid, part_labels(self._topology, triangle), masks), others

    def _smooth_vertices(
        self, plane: Tensor, placement: HeadPlacement, magnified: Tensor, grown: Tensor | None, turn: Tensor
    ) -> Tensor:
        """(N, 7) of each vertex: how well it was seen, how far the texture is drawn out, skirt, normal, light.

        The skirt is 1 where skin is drawn out over what was background, -1 where the hidden side comes out.
        """
        source = self.source
        near = torch.cat([torch.zeros_like(source.seen[:NUM_FACE]), source.ring_skirt])
        near = near * smoothstep(*SKIRT_STRETCH, magnified)
        if grown is not None:
            gives_way = giving_way(self._hidden, magnified, grown, turn)
            near = near * (1 - gives_way) - gives_way
        face = face_normals(plane)
        oval = gather(face, index_of(OVAL, face.device))
        normal = torch.cat([face, ring_normals(self._skull, source.ring_follow, oval, placement.rotation[0])])
        light = torch.ones_like(near) if self.light is None else self.light.ratio(normal)
        return torch.cat([torch.stack([source.seen, magnified, near], dim=1), normal, light[:, None]], dim=1)

    def _smooth_values(
        self, triangle: Tensor, planes: Tensor, bent: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
        """Trust (H, W) in each surface, skirt (H, W) unless bent, change of light (H, W) if any, normals (3, h, w)."""
        step = smooth_step(self.height, self.width)
        x, y = self._axes
        coarse = triangle[::step, ::step].contiguous()
        values = interpolate(planes, coarse, x[::step], y[::step])
        shown = coarse >= 0
        trust = values[:1].clamp(0, 1) * smoothstep(BAD_STRETCH, GOOD_STRETCH, values[1:2])
        light = torch.where(shown, values[6:], 1.0)
        relit = self.light is not None and bool((light - 1).abs_().amax() > MIN_CHANGE)
        parts = [trust * shown, *([] if bent else [values[2:3] * shown]), *([light] if relit else [])]
        smooth = enlarge_smooth(torch.cat(parts)[None], self.height, self.width)[0]
        skirt = None if bent else smooth[1].clamp(-1, 1)
        return smooth[0].contiguous(), skirt, smooth[-1] if relit else None, values[3:6] * shown

    def _degrees_away(self, placement: HeadPlacement) -> Tensor:
        """() degrees between the head's rotation and the photo's."""
        trace = (self.source.rotation[0] * placement.rotation[0]).sum()
        return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())

    def _separation(self, placement: HeadPlacement, away: Tensor) -> Tensor:
        """() 0 where the photo bends as a whole, 1 where the matte decides; `away` is () degrees from the photo."""
        source = self.source
        if self._cut_out:
            return torch.ones_like(away)
        after = placement.place(source.shape[None, :NUM_FACE])[0, :, :2]
        way = (after - self._before).norm(dim=-1).mean() / placement.scale[0].clamp(min=1e-6)
        fade = torch.maximum(smoothstep(*FADE_CM, way), smoothstep(*FADE_TURN_DEG, away))
        return fade * source.separable
