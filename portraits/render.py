"""Images of one identity: a pass over head, eyes and glasses, one over the shirt, one over the hair, then the film.

Everything that does not change with the frame is computed in the constructor.
"""

import numpy as np
from PIL import Image

from .camera import Camera
from .canvas import FACE_LABEL, PERSON_LABEL, Canvas, View
from .cloth_paint import cover_with_cloth
from .eye_paint import paint_eye, paint_teeth, paint_tongue
from .geometry import DIFFUSE_LOBE, spherical_harmonics, unit, vertex_normals
from .glasses import build_glasses
from .hair import build_hair, hairline_distance
from .hair_paint import cover_with_hair
from .head import GLASSES, LEFT_EYE, RIGHT_EYE, SKIN, TEETH_LOWER, TEETH_UPPER, TONGUE, Head, PosedHead
from .light import Lighting, Surface
from .looks import Identity
from .rasteriser import interpolate, rasterise
from .scene import Scene
from .skin_paint import SkinPaint

SUPERSAMPLING = 2


class Portrait:
    """Renders one identity in one scene."""

    def __init__(self, head: Head, identity: Identity, scene: Scene) -> None:
        self.head, self.identity, self.scene = head, identity, scene
        shape, look = identity.shape, identity.hair
        self.inside_hair = hairline_distance(head, look)
        self.hair = build_hair(head, shape, look, identity.skin.seed, self.inside_hair)
        self.glasses = build_glasses(head, shape, identity.glasses) if identity.glasses else None
        self.paint = SkinPaint(head, identity.skin, look)
        self._join_faces()
        extra = self.vertex_count - head.mesh_size
        # template position 3, light transfer 9, openness, distance inside the hairline, mask of the face
        face = head.vertex_masks[:, [head.mask_names.index(name) for name in ("face", "inside-mouth")]].max(1)
        static = [head.template, head.light_transfer, head.openness[:, None], self.inside_hair[:, None], face[:, None]]
        static = np.concatenate(static, 1)
        self.static = np.concatenate([static, np.zeros((extra, static.shape[1]), np.float32)]).astype(np.float32)
        self.static[head.mesh_size :, 12] = 1
        self._backgrounds = {}

    def _join_faces(self) -> None:
        head = self.head
        start, balls = head.mesh_size, len(head.sphere)
        faces = [head.faces, head.sphere_faces + start, head.sphere_faces + start + balls]
        labels = [head.part, np.full(len(head.sphere_faces), LEFT_EYE), np.full(len(head.sphere_faces), RIGHT_EYE)]
        self.vertex_count = start + 2 * balls
        if self.glasses:
            faces.append(self.glasses[1] + self.vertex_count)
            labels.append(np.full(len(self.glasses[1]), GLASSES))
            self.vertex_count += len(self.glasses[0])
        self.faces = np.concatenate(faces).astype(np.int32)
        self.labels = np.concatenate(labels).astype(np.uint8)
        self.uv_faces = np.zeros_like(self.faces)
        self.uv_faces[: len(head.uv_faces)] = head.uv_faces

    def background(self, size: int) -> np.ndarray:
        """Linear background (size*size,3)."""
        if size not in self._backgrounds:
            planes = [Image.fromarray(self.scene.background[..., c]) for c in range(3)]
            planes = [np.asarray(plane.resize((size, size), Image.Resampling.BICUBIC)) for plane in planes]
            self._backgrounds[size] = np.clip(np.stack(planes, -1), 0, 1).reshape(-1, 3) ** np.float32(2.2)
        return self._backgrounds[size]

    def render(self, posed: PosedHead, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame: sRGB (size,size,3) uint8 and labels (size,size) uint8, 0 background, 1 person, 2 face."""
        side = size * SUPERSAMPLING
        view = View(posed, camera, Lighting(self.scene, posed.rotation))
        samples = side * side
        far = np.full(samples, 1e9, np.float32)
        canvas = Canvas(side, self.background(side).copy(), far, np.zeros(samples, np.uint8))
        self._draw_head(canvas, view)
        cover_with_cloth(canvas, view, self.head, self.identity)
        if self.hair is not None:
            cover_with_hair(canvas, view, self.hair, self.identity)
        return develop(canvas, self.scene.exposure), count_labels(canvas)

    def _draw_head(self, canvas: Canvas, view: View) -> None:
        head, posed = self.head, view.posed
        world, normals = self._world(posed)
        screen = view.camera.screen(world, canvas.size)
        pixel, triangle, bary = rasterise(screen, self.faces, canvas.size, self.labels >= LEFT_EYE)
        values = interpolate(np.concatenate([world, normals, self.static], 1), self.faces, triangle, bary)
        position, label = values[:, 6:9], self.labels[triangle]
        surface = self._surface(values, label, view)
        rows = np.flatnonzero(label == SKIN)
        uv = interpolate(head.uv, self.uv_faces, triangle[rows], bary[rows])
        self._paint_skin(surface, rows, position[rows], uv, values[rows, 19])
        for number, eye in enumerate(posed.eyes):
            rows = np.flatnonzero(label == LEFT_EYE + number)
            paint_eye(surface, rows, eye, posed.rotation, self.identity.eyes, self.identity.skin.seed)
        rows = np.flatnonzero((label == TEETH_UPPER) | (label == TEETH_LOWER))
        paint_teeth(surface, rows, position[rows], label[rows] == TEETH_UPPER, posed.rotation, self.identity.mouth)
        rows = np.flatnonzero(label == TONGUE)
        paint_tongue(surface, rows, position[rows], self.identity.mouth)
        if self.glasses:
            self._paint_glasses(surface, np.flatnonzero(label == GLASSES), posed.rotation)
        canvas.colour[pixel] = view.lighting.shade(surface)
        canvas.depth[pixel] = view.camera.position[2] - values[:, 2]
        in_face = (label != SKIN) | ((values[:, 20] > 0.5) & (values[:, 19] < 0.03))
        canvas.label[pixel] = np.where(in_face, FACE_LABEL, PERSON_LABEL)

    def _world(self, posed: PosedHead) -> tuple[np.ndarray, np.ndarray]:
        vertices = [posed.vertices] + [eye.centre + eye.radius * self.head.sphere for eye in posed.eyes]
        normals = [vertex_normals(posed.vertices, self.head.faces), self.head.sphere, self.head.sphere]
        if self.glasses:
            vertices.append(posed.follow_head(self.glasses[0]))
            normals.append(vertex_normals(vertices[-1], self.glasses[1]))
        return np.concatenate(vertices).astype(np.float32), np.concatenate(normals)

    def _surface(self, values: np.ndarray, label: np.ndarray, view: View) -> Surface:
        position, normal = values[:, :3], values[:, 3:6].copy()
        for number, eye in enumerate(view.posed.eyes):
            rows = label == LEFT_EYE + number
            normal[rows] = (position[rows] - eye.centre) / eye.radius
        normal, toward = unit(normal), unit(view.camera.position - position)
        turned = (np.einsum("ij,ij->i", normal, toward) < 0) & (label == SKIN)
        normal[turned] *= -1
        count = len(values)
        return Surface(
            albedo=np.zeros((count, 3), np.float32), normal=normal, view=toward, transfer=values[:, 9:18].copy(),
            openness=values[:, 18].copy(), specular=np.zeros(count, np.float32), gloss=np.full(count, 18, np.float32),
        )  # fmt: skip

    def _paint_skin(self, surface: Surface, rows: np.ndarray, position, uv, inside_hair) -> None:
        albedo, lips, mouth, bump = self.paint(position, uv, inside_hair)
        look = self.identity.skin
        surface.albedo[rows] = albedo
        surface.specular[rows] = look.shine * (0.6 + 8 * np.abs(bump[:, 0])) * (1 - 0.6 * mouth) + look.lip_shine * lips
        surface.gloss[rows] = 14 + 40 * lips
        surface.normal[rows] = unit(surface.normal[rows] + bump)
        surface.transfer[rows, 0] = np.maximum(surface.transfer[rows, 0], 0.3 * mouth)
        surface.openness[rows] = np.maximum(surface.openness[rows], 0.1 * mouth)

    def _paint_glasses(self, surface: Surface, rows: np.ndarray, rotation: np.ndarray) -> None:
        surface.albedo[rows] = self.identity.glasses.colour
        surface.specular[rows] = 1.2
        surface.gloss[rows] = 50
        surface.openness[rows] = 1
        surface.transfer[rows] = spherical_harmonics(surface.normal[rows] @ rotation) * DIFFUSE_LOBE


def develop(canvas: Canvas, exposure: float) -> np.ndarray:
    """Linear film -> sRGB (S,S,3) uint8: exposure, a soft shoulder, box filter, gamma 2.2."""
    light = canvas.colour * np.float32(exposure)
    light = np.clip(light / (1 + 0.12 * np.maximum(light, 0)), 0, 1)
    small = canvas.size // SUPERSAMPLING
    light = light.reshape(small, SUPERSAMPLING, small, SUPERSAMPLING, 3).mean((1, 3))
    return (light ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def count_labels(canvas: Canvas) -> np.ndarray:
    """Labels (S,S) uint8 of the film by the vote of at least half of the samples; the face counts as person."""
    small = canvas.size // SUPERSAMPLING
    samples = canvas.label.reshape(small, SUPERSAMPLING, small, SUPERSAMPLING)
    person = (samples >= PERSON_LABEL).mean((1, 3)) >= 0.5
    face = (samples == FACE_LABEL).mean((1, 3)) >= 0.5
    return np.where(face, FACE_LABEL, person * PERSON_LABEL).astype(np.uint8)
