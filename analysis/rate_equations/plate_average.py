"""Functions of the distance from the axis on a rectangular plate: mean, probe's sight and ∇²."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import legder, leggauss, legval, legvander
from numpy.typing import NDArray

__all__ = ["Disc", "disc"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disc:
    """Functions of r on a plate, held at Gauss's nodes for its area (spectral in r²).

    Attributes
    ----------
    radius, area : (n,) arrays
        Nodes, um, and their shares of the plate.
    sight : (n,) array
        Weights with which the probe sees the values at the nodes; their sum is 1.
    decay : (n,) array
        Eigenvalues of ∇² without flux through the plate's edge, um⁻²; one of them is 0.
    modes, inverse : (n, n) arrays
        ``modes @ diag(decay) @ inverse`` is ∇².
    """

    radius: Floats
    area: Floats
    sight: Floats
    decay: Floats
    modes: Floats
    inverse: Floats


@lru_cache(maxsize=8)
def disc(size: tuple[float, float], probe_waist: float, nodes: int = 18) -> Disc:
    """Nodes on a rectangle of sides `size`, seen at its centre by a Gaussian probe; all in um.

    A circle that leaves the rectangle counts with the part inside: without diffusion this is
    exact, because the reactions are local or act through means.
    """
    near, far = sorted(side / 2 for side in size)
    breaks = np.unique([0.0, min(3 * probe_waist, near), near, far, np.hypot(near, far)]) ** 2
    half = np.diff(breaks)[:, np.newaxis] / 2
    x, panel = leggauss(100)
    square = (breaks[:-1, np.newaxis] + half * (1 + x)).ravel()
    outside = sum(np.arccos(np.minimum(side / np.sqrt(square), 1.0)) for side in (near, far))
    weight = (half * panel).ravel() * (np.pi - 2 * outside)
    weight /= weight.sum()
    # Golub and Welsch: orthonormal polynomials, and the matrix that multiplies them by r².
    scale = 2 / breaks[-1]
    legendre = legvander(scale * square - 1, nodes - 1)
    basis, triangle = np.linalg.qr(np.sqrt(weight)[:, np.newaxis] * legendre)
    position, vectors = np.linalg.eigh(basis.T @ (square[:, np.newaxis] * basis))
    coefficients = np.linalg.inv(triangle)
    transform = vectors * vectors[0] * coefficients[0, 0]  # values at nodes to coefficients
    slope = legval(scale * square - 1, legder(np.eye(nodes), scl=scale)).T @ coefficients
    stiffness = slope.T @ ((4 * square * weight)[:, np.newaxis] * slope)  # |∇p|² = 4 r² (dp/dr²)²
    area = vectors[0] ** 2
    root = np.sqrt(area)
    decay, modes = np.linalg.eigh(-(transform.T @ stiffness @ transform) / np.outer(root, root))
    light = weight * np.exp(-2 * square / probe_waist**2)
    return Disc(
        radius=np.sqrt(position),
        area=area,
        sight=light @ legendre @ coefficients @ transform / light.sum(),
        decay=decay,
        modes=modes / root[:, np.newaxis],
        inverse=modes.T * root,
    )
