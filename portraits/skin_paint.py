"""Paint of the skin: complexion, redness, freckles, beard, brows, eye liner, lips, scalp.

Places are coordinates of the template in decimetres.
"""

import numpy as np

from .geometry import lerp, polyline_distance, smoothstep
from .head import Head
from .looks import HairLook, SkinLook
from .rasteriser import noise, sample_images

LINER_COLOUR = np.array([0.012, 0.009, 0.008], np.float32)
MOUTH_COLOUR = np.array([0.20, 0.045, 0.04], np.float32)


class SkinPaint:
    """Paints fragments of one identity's skin."""

    def __init__(self, head: Head, skin: SkinLook, hair: HairLook) -> None:
        self.head, self.skin, self.hair = head, skin, hair
        points = head.template_landmarks[:, :2]
        # The inner end of the drawn brow is lifted a little: the template's own line frowns.
        self.brow = points[22:27] + np.array([[0, 0.022], [0, 0.008], [0, 0], [0, 0], [0, 0]], np.float32)
        self.upper_lid, self.lower_lid = points[[42, 43, 44, 45]], points[[45, 46, 47, 42]]

    def __call__(self, position: np.ndarray, uv: np.ndarray, inside_hair: np.ndarray):
        """Albedo (M,3), lips (M,), inside of the mouth (M,), bump of the normals (M,3) at template positions (M,3)."""
        masks = dict(zip(self.head.mask_names, sample_images(self.head.masks, uv).T, strict=True))
        skin, seed = self.skin, self.skin.seed
        coarse, middle, fine = (noise(position * scale + seed) for scale in (4, 17, 60))
        albedo = skin.colour * (1 + 0.05 * coarse + 0.05 * middle + 0.05 * fine * min(1, skin.bump))[:, None]
        self._redden(albedo, position, masks)
        self._grow_beard(albedo, position, masks, coarse, fine)
        self._draw_brows(albedo, position)
        self._line_eyes(albedo, position)
        lips = smoothstep(0.25, 0.75, masks["lips"])
        creases = 1 + 0.12 * noise(position * np.array([45, 6, 6], np.float32) + seed)
        albedo = lerp(albedo, skin.lip_colour * creases[:, None], lips[:, None])
        mouth = masks["inside-mouth"]
        albedo = lerp(albedo, MOUTH_COLOUR, mouth[:, None])
        if self.hair.style != "bald":
            # Roots shine through near the hairline; frayed so that the line is soft.
            scalp = smoothstep(-0.10, 0.06, inside_hair + 0.05 * middle + 0.03 * fine)
            albedo = lerp(albedo, self.hair.colour * 0.8 + 0.1 * skin.colour, (0.8 * scalp)[:, None])
        bump = np.stack([fine, noise(position * 60 + seed + 9), noise(position * 60 + seed + 17)], 1)
        return albedo.astype(np.float32), lips, mouth, bump * np.float32(0.05 * skin.bump)

    def _redden(self, albedo: np.ndarray, position: np.ndarray, masks: dict[str, np.ndarray]) -> None:
        skin = self.skin
        side, height, depth = np.abs(position[:, 0]), position[:, 1], position[:, 2]
        front = (depth > 0.7).astype(np.float32)

        def spot(x: float, y: float, width: float, tall: float) -> np.ndarray:
            return np.exp(-(((side - x) / width) ** 2) - ((height - y) / tall) ** 2) * front

        red = 0.9 * spot(0.42, 6.95, 0.2, 0.17) + 0.6 * spot(0, 6.93, 0.13, 0.1) + 0.3 * spot(0, 6.35, 0.15, 0.1)
        red = skin.blush * red + 0.35 * masks["ears"]
        albedo *= 1 - red[:, None] * np.array([0.02, 0.26, 0.22], np.float32) * (1 - 0.5 * skin.tone)
        under_eye = spot(0.29, 7.16, 0.17, 0.06)
        albedo *= 1 - 0.16 * under_eye[:, None] * np.array([0.7, 1, 0.9], np.float32)
        lid = masks["eyelids"]
        albedo *= (1 - 0.16 * lid)[:, None]
        if skin.shadow:
            albedo += (skin.shadow_colour - albedo) * (skin.shadow * lid * (height > 7.28))[:, None]
        if skin.freckles:
            spots = smoothstep(0.45, 0.62, noise(position * 36 + skin.seed)) * skin.freckles
            spots = spots * smoothstep(0.75, 1.1, depth) * np.exp(-(((height - 7.0) / 0.35) ** 2))
            albedo *= 1 - 0.4 * spots[:, None] * np.array([0.6, 1, 1.2], np.float32)

    def _grow_beard(
        self, albedo: np.ndarray, position: np.ndarray, masks, coarse: np.ndarray, fine: np.ndarray
    ) -> None:
        skin = self.skin
        if not skin.beard:
            return
        side, height, depth = np.abs(position[:, 0]), position[:, 1], position[:, 2]
        front = (depth > 0.55).astype(np.float32)
        low = smoothstep(6.93, 6.72, height + 0.06 * coarse) * smoothstep(5.95, 6.2, height + 0.05 * coarse) * front
        sideburn = smoothstep(0.3, 0.55, side) * smoothstep(7.15, 6.9, height) * front * (height > 6.2)
        cheek = np.exp(-(((side - 0.34) / 0.16) ** 2) - ((height - 6.83) / 0.13) ** 2)
        around = np.clip(smoothstep(6.72, 6.55, height) + smoothstep(0.26, 0.38, side), 0, 1)
        moustache = np.exp(-((side / 0.22) ** 4) - ((height - 6.735) / 0.065) ** 4) * skin.moustache
        cover = np.maximum(np.maximum(low, sideburn) * (1 - cheek) * around, moustache)
        cover = np.clip(cover * (1 - 1.3 * masks["lips"]), 0, 1) * skin.beard * (0.65 + 0.35 * fine)
        cover = np.clip(0.93 * cover, 0, 0.94)[:, None]
        albedo += (skin.beard_colour * (1 + 0.5 * fine[:, None]) - albedo) * cover

    def _draw_brows(self, albedo: np.ndarray, position: np.ndarray) -> None:
        skin, side = self.skin, np.abs(position[:, 0])
        near = np.flatnonzero((position[:, 1] > 7.25) & (position[:, 1] < 7.65) & (side < 0.6) & (position[:, 2] > 0.9))
        if not len(near):
            return
        x, y = side[near], position[near, 1]
        distance, along = polyline_distance(np.stack([x, y], 1), self.brow)
        lean = (x + 0.7 * y * np.sign(0.35 - along)) * 55
        hairs = noise(np.stack([lean, 8 * y - 10 * x, 3 * np.sign(position[near, 0])], 1) + skin.seed)
        width = skin.brow_width * (1.15 - 0.75 * along) * (0.6 + 0.4 * smoothstep(-0.01, 0.12, along))
        cover = smoothstep(1.2, 0.4, distance / width + 0.3 * hairs) * skin.brow_opacity
        albedo[near] += (skin.brow_colour - albedo[near]) * cover[:, None]

    def _line_eyes(self, albedo: np.ndarray, position: np.ndarray) -> None:
        skin, side = self.skin, np.abs(position[:, 0])
        near = (position[:, 1] > 7.15) & (position[:, 1] < 7.42) & (side < 0.58) & (side > 0.1) & (position[:, 2] > 0.9)
        near = np.flatnonzero(near)
        if not len(near):
            return
        x, y = side[near], position[near, 1]
        point = np.stack([x, y], 1)
        upper, _ = polyline_distance(point, self.upper_lid)
        lower, _ = polyline_distance(point, self.lower_lid)
        line = np.maximum(smoothstep(0.024, 0.006, upper), 0.5 * smoothstep(0.014, 0.003, lower)) * skin.liner
        albedo[near] += (LINER_COLOUR - albedo[near]) * line[:, None]
        corner = 0.6 * np.exp(-(((x - 0.19) / 0.025) ** 2) - ((y - 7.27) / 0.03) ** 2)
        pink = np.array([0.55, 0.25, 0.22], np.float32) * np.float32(0.4 + 1.5 * skin.colour.mean())
        albedo[near] += (pink - albedo[near]) * corner[:, None]
