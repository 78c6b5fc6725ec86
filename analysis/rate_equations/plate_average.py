"""Functions of the distance from the plate's axis: mean over plate and probe, and the Laplacian.

The nodes are those of Gauss's quadrature for the area of the rectangle, by the polynomials in r²
that are orthogonal on it. Means over the plate are exact for polynomials; the error of smooth
functions decreases exponentially with the number of nodes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import legder, leggauss, legval, legvander
from numpy.typing import NDArray

__all__ = ["PlateNodes", "plate_nodes"]

Floats = NDArray[np.float64]

NODES = 18
"""Number of nodes: clouds with waists of 1.6 to 2.9 um on the paper's plate are averaged to 1e-4
(tests/analysis/rate_equations/test_solver.py)."""

PANEL_POINTS = 100
"""Number of Gauss–Legendre points on each panel of r² in the integrals that define the nodes: far
more than the degree of the polynomials, because the weight has square roots at the breaks."""


@dataclass(frozen=True)
class PlateNodes:
    """Nodes of functions of r on a rectangular plate.

    Attributes
    ----------
    radius : (n,) array
        Distances from the axis, um.
    area : (n,) array
        Weights of the mean over the plate; their sum is 1.
    probe : (n,) array
        Weights of the mean over the probe; their sum is 1.
    decay : (n,) array
        Eigenvalues of ∇² without flux through the edge of the plate, um⁻²; one is 0, the others
        are negative.
    modes, inverse : (n, n) arrays
        ``modes @ diag(decay) @ inverse`` is ∇².
    """

    radius: Floats
    area: Floats
    probe: Floats
    decay: Floats
    modes: Floats
    inverse: Floats


@lru_cache(maxsize=8)
def plate_nodes(size: tuple[float, float], probe_waist: float, nodes: int = NODES) -> PlateNodes:
    """Compute the nodes of a rectangular plate with a Gaussian probe at its centre.

    A circle of radius r that extends beyond the rectangle counts with the part inside. Without
    diffusion this is exact, because the reactions are local or act through means.

    Parameters
    ----------
    size : tuple of float
        Sides of the plate, um.
    probe_waist : float
        1/e² radius of the probe, um.
    nodes : int
        Their number.
    """
    near, far = sorted(side / 2 for side in size)
    breaks = np.unique([0.0, min(3 * probe_waist, near), near, far, np.hypot(near, far)]) ** 2
    half = np.diff(breaks)[:, np.newaxis] / 2
    x, panel = leggauss(PANEL_POINTS)
    square = (breaks[:-1, np.newaxis] + half * (1 + x)).ravel()
    outside = sum(np.arccos(np.minimum(side / np.sqrt(square), 1.0)) for side in (near, far))
    weight = (half * panel).ravel() * (np.pi - 2 * outside)
    weight /= weight.sum()
    # Golub and Welsch: the nodes are the eigenvalues of the multiplication by r² in the orthonormal
    # polynomials.
    scale = 2 / breaks[-1]
    legendre = legvander(scale * square - 1, nodes - 1)
    basis, triangle = np.linalg.qr(np.sqrt(weight)[:, np.newaxis] * legendre)
    position, vectors = np.linalg.eigh(basis.T @ (square[:, np.newaxis] * basis))
    coefficients = np.linalg.inv(triangle)
    transform = (
        vectors * vectors[0] * coefficients[0, 0]
    )  # from values at the nodes to coefficients
    slope = legval(scale * square - 1, legder(np.eye(nodes), scl=scale)).T @ coefficients
    stiffness = slope.T @ ((4 * square * weight)[:, np.newaxis] * slope)  # |∇p|² = 4 r² (dp/dr²)²
    area = vectors[0] ** 2
    root = np.sqrt(area)
    decay, modes = np.linalg.eigh(-(transform.T @ stiffness @ transform) / np.outer(root, root))
    light = weight * np.exp(-2 * square / probe_waist**2)
    return PlateNodes(
        radius=np.sqrt(position),
        area=area,
        probe=light @ legendre @ coefficients @ transform / light.sum(),
        decay=decay,
        modes=modes / root[:, np.newaxis],
        inverse=modes.T * root,
    )
