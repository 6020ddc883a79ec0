"""Metrics of the transferred pose: landmarks (NME), head angles (APD) and expression coefficients (AED)."""

from __future__ import annotations

from torch import Tensor

from ..checks import check_landmarks, check_same_shape, describe

# NME is given in thousandths. The paper does not name its scale; as hundredths, its best figure of 12.5 would be an
# error of some 15 px in a 256 px image beside a head pose error of 0.8 degrees; as thousandths it is about 1.5 px.
NME_SCALE = 1000.0


def nme(landmarks: Tensor, truth: Tensor) -> Tensor:
    """Normalised mean error of landmarks; lower is better.

    1000 * mean over the 68 points of |p - q| / sqrt(w h), with w and h of the box around the true landmarks.
    Source: Bulat and Tzimiropoulos 2017 (the network that the paper measures with) for the normalisation; the factor
    1000 instead of 100 is our reading of the paper's figures, see `NME_SCALE`.

    Args:
        landmarks: (B, 68, 2) px, iBUG-68, of one landmark network.
        truth: the same of the true images, of the same network and frame.

    Returns:
        (B,) thousandths of the face's size, at least 0; 0 for equal landmarks.

    Raises:
        ValueError: if the shapes differ, are not (B, 68, 2), or the true landmarks lie on a line.
    """
    check_landmarks("the landmarks", landmarks)
    check_landmarks("the true landmarks", truth)
    check_same_shape("the landmarks", landmarks, "the true landmarks", truth)
    size = (truth.amax(dim=1) - truth.amin(dim=1)).prod(dim=-1).sqrt()
    if (size <= 0).any():
        raise ValueError(
            f"Expected true landmarks that span an area, received a box without one in image {int(size.argmin())}; "
            f"leave out images in which no face was found."
        )
    return NME_SCALE * (landmarks - truth).norm(dim=-1).mean(dim=1) / size


def apd(head_pose: Tensor, truth: Tensor) -> Tensor:
    """Average pose distance: the mean absolute difference of yaw, pitch and roll; lower is better.

    Source: paper, section 4.2, with EMOCA's angles (`face.emoca.flame.official_angles`). A full turn is not taken out:
    the angles of aligned images are near 0.

    Args:
        head_pose: (B, 3) yaw, pitch, roll in degrees.
        truth: the same of the true images, of the same network and convention.

    Returns:
        (B,) degrees, at least 0; 0 for equal poses.

    Raises:
        ValueError: if the shapes differ or are not (B, 3).
    """
    check_same_shape("the head poses", head_pose, "the true head poses", truth)
    if head_pose.ndim != 2 or head_pose.shape[1] != 3:
        raise ValueError(
            f"Expected head poses (B, 3) of yaw, pitch and roll in degrees, received {tuple(head_pose.shape)}; "
            f"convert rotations with face.rotations.matrix_to_head_pose."
        )
    return (head_pose - truth).abs().mean(dim=1)


def normalised_expression_distance(expression: Tensor, truth: Tensor, extents: Tensor) -> Tensor:
    """Mean of the absolute differences, each in shares of what the value's range is; lower is better.

    Source: validation of the official code of "Finding Directions", with the jaw's turn and DECA's first eleven
    expressions, and the ranges of 2,000 faces of its generator (`generation.face_parameters.RANGES`). For two random
    faces about 0.16. Their printed figures (0.68 to 2.0) fit the sum of the twelve, not their mean.

    Args:
        expression: (B, E) values of a face model.
        truth: the same of the true images.
        extents: (E,) largest less smallest value, above 0.

    Returns:
        (B,) at least 0; 0 for equal expressions.

    Raises:
        ValueError: if the shapes differ, or an extent is not above 0.
    """
    check_same_shape("the expressions", expression, "the true expressions", truth)
    if expression.shape[1:] != extents.shape or not (extents > 0).all():
        raise ValueError(
            f"Expected an extent above 0 for each of {tuple(expression.shape[1:])} values, received "
            f"{describe(extents)}; give largest less smallest value of each."
        )
    return ((expression - truth).abs() / extents).mean(dim=1)


def aed(expression: Tensor, truth: Tensor) -> Tensor:
    """Average expression distance: the sum of the absolute differences of all coefficients; lower is better.

    Source: paper, section 4.2 ("average l1 distance"), with EMOCA's 50 expression coefficients, the jaw's rotation not
    among them. The sum is our reading, not verified: the paper's figures (7 to 18) are too large for a mean of 50
    coefficients of unit variance. Figures of different face models do not compare.

    Args:
        expression: (B, E) coefficients of a face model.
        truth: the same of the true images.

    Returns:
        (B,) in the coefficients' unit, at least 0; 0 for equal expressions.

    Raises:
        ValueError: if the shapes differ or are not (B, E).
    """
    check_same_shape("the expressions", expression, "the true expressions", truth)
    if expression.ndim != 2:
        raise ValueError(
            f"Expected expressions (B, E), received {tuple(expression.shape)}; add a batch axis with expression[None]."
        )
    return (expression - truth).abs().sum(dim=1)
