"""What the calibration plans go on with: fits of the run that has just ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analysis.documents.live_reduction import LiveReduction
from analysis.estimate import Estimate
from ocm_ophyd.archive.journal import Journal, read_run
from ocm_ophyd.errors import DataError
from plans.calibration.fits import Found, PumpTable, Quantity

__all__ = ["SessionAnalyst"]

_PLATE_PATHS = (2.0, 22.0)  # um, of plates of 0.5 to 5 um (paper)
_MIRROR_PATHS = (6.0, 24.0)  # um, of a mirror at 10 to 20 um (paper), 4 um off at most


@dataclass(frozen=True)
class _Run:
    """The documents of a run without pump–probe points."""

    start: dict[str, Any]
    configuration: dict[str, Any]
    baseline: dict[str, Any]
    rows: list[dict[str, Any]]
    times: np.ndarray

    def column(self, key: str) -> np.ndarray:
        """Return one data key of all events."""
        return np.array([row[key] for row in self.rows], float)


class SessionAnalyst:
    """Fits runs of this session, from the live reduction and the journal.

    What a fit finds becomes a run of its own in the journal, beside the reduced runs.

    Parameters
    ----------
    reduction : LiveReduction
        Keeps the reduced runs.
    journal : Journal
        Holds the documents of runs without interferograms, and gets what is found.
    """

    # Fits are imported where they are used: scipy.optimize and lmfit are slow to import.

    def __init__(self, reduction: LiveReduction, journal: Journal) -> None:
        self._reduction = reduction
        self._journal = journal

    def arrival(self, run: str) -> Found:
        """Return time zero and chirp of a delay scan: see `analysis.chirp.time_zero`.

        Raises
        ------
        DataError
            Where the run was not reduced or shows no rise.
        """
        from analysis.chirp.time_zero import fit_arrival  # noqa: PLC0415

        scan = self._reduced(run)
        names = ("delay", "wavelength", "fluorescence", "phase", "path")
        fit = fit_arrival(*(scan[name].values for name in names))
        chirp = zip(fit.chirp, fit.chirp_sigma, strict=True)
        terms = {
            f"chirp_{k}": Estimate(value, sigma, f"ps/(100 rad/ps)^{k}")
            for k, (value, sigma) in enumerate(chirp, start=1)
        }
        zero = Estimate(fit.time_zero, fit.time_zero_sigma, "ps", note="on the scan's own scale")
        return self._keep(run, {"time_zero": zero, **terms})

    def pump_spot(self, run: str) -> Found:
        """Return position and waist of the pump in a map: see `analysis.diffusion.gaussian_cloud`.

        Raises
        ------
        DataError
            Where the run was not reduced or shows no cloud.
        """
        from analysis.diffusion.gaussian_cloud import PROBE_WAIST, fit_pump_spot  # noqa: PLC0415

        scan = self._reduced(run)
        names = ("x", "y", "delta_n", "delta_n_sigma")
        spot = fit_pump_spot(*(scan[name].values for name in names))
        quality = f"chi2/dof {spot.reduced_chi2:.2f}"
        blur = f"{quality}; the probe's {PROBE_WAIST:g} um and a flattening of 8 ± 5 % taken out"
        return self._keep(
            run,
            {
                "x": Estimate(spot.x, spot.x_sigma, "um", note=quality),
                "y": Estimate(spot.y, spot.y_sigma, "um", note=quality),
                "waist": Estimate(spot.waist, spot.waist_sigma, "um", note=blur),
            },
        )

    def pump_power(self, run: str) -> PumpTable:
        """Return the table of voltage and fluence behind a power curve.

        Raises
        ------
        DataError
            Where the measured curve cannot be inverted.
        """
        from analysis.calibration.pump_fluence import peak_fluence  # noqa: PLC0415
        from analysis.calibration.retarder_curve import fit_retarder, relative_change  # noqa: PLC0415

        documents = self._documents(run)
        voltage, power, sigma = _powers(documents)
        curve = fit_retarder(voltage[:-1], power[:-1], sigma[:-1])
        drift = Estimate(*relative_change(power[[0, -1]], sigma[[0, -1]]), "1")
        scale = Estimate(1.0, curve.relative_sigma, "1", note=curve.note)
        start = documents.start
        fluence = peak_fluence(curve.power, start["repetition_rate"], start["pump_waist"])
        found = {"fluence_scale": scale, "drift": drift}
        if np.isfinite(curve.retardance):
            found["retardance"] = Estimate(
                curve.retardance, curve.retardance_sigma, "waves", note="without voltage"
            )
        return PumpTable(curve.voltage, fluence, self._keep(run, found))

    def pump_check(self, run: str, table: PumpTable) -> Found:
        """Return the mean relative deviation of powers that were read from a table.

        Raises
        ------
        DataError
            Where the meter's readings are not finite.
        """
        from analysis.calibration.pump_fluence import peak_fluence  # noqa: PLC0415
        from analysis.calibration.retarder_curve import check_curve  # noqa: PLC0415

        documents = self._documents(run)
        voltage, power, sigma = _powers(documents)
        beam = documents.start["repetition_rate"], documents.start["pump_waist"]
        read = peak_fluence(power, *beam), peak_fluence(sigma, *beam)
        deviation = Estimate(*check_curve(table.voltage, table.fluence, voltage, *read), "1")
        return self._keep(run, {"deviation": deviation})

    def plate_edges(self, run: str) -> Found:
        """Return what the galvos do, from light across a plate's edges.

        Raises
        ------
        DataError
            Where there are no edges.
        """
        from analysis.calibration.galvo_edges import fit_edges  # noqa: PLC0415
        from analysis.calibration.path_length import plate_path  # noqa: PLC0415

        documents = self._documents(run)
        volts = np.stack([documents.column(f"galvos_{axis}") for axis in "xy"], axis=1)
        path = plate_path(documents.start["sample"])
        level = [float(fringe.parameters[0]) for fringe in _fringes(documents, path)]
        stored = (documents.configuration[f"galvos_scale_{axis}"] for axis in "xy")
        start = documents.start
        fit = fit_edges(volts, level, start["crossings"], start["sample"]["size"], tuple(stored))
        values = {
            "scale_x": (fit.scale[0], fit.scale_sigma[0], "um/V"),
            "scale_y": (fit.scale[1], fit.scale_sigma[1], "um/V"),
            "rotation": (fit.rotation, fit.rotation_sigma, "deg"),
            "offset_x": (fit.offset[0], fit.offset_sigma[0], "um"),
            "offset_y": (fit.offset[1], fit.offset_sigma[1], "um"),
            "probe_waist": (fit.probe_waist, fit.probe_waist_sigma, "um"),
        }
        found = {
            name: Estimate(float(value), float(sigma), unit)
            for name, (value, sigma, unit) in values.items()
        }
        return self._keep(run, found)

    def thickness(self, run: str) -> Found:
        """Return a plate's thickness from the fringes between its faces.

        Raises
        ------
        DataError
            Where there are no fringes.
        """
        from analysis.calibration.path_length import group_index, plate_thickness  # noqa: PLC0415

        documents = self._documents(run)
        sample = documents.start["sample"]
        index = group_index(sample["refractive_index"], sample.get("group_index"))
        return self._keep(
            run, {"thickness": plate_thickness(_fringes(documents, _PLATE_PATHS), index)}
        )

    def mirror_offset(self, run: str) -> Found:
        """Return the path difference at the reference mirror's zero.

        Raises
        ------
        DataError
            Where there are no fringes, or they do not follow the mirror.
        """
        from analysis.calibration.path_length import mirror_offset  # noqa: PLC0415

        documents = self._documents(run)
        position = documents.column("reference_mirror_m1")
        fringes = _fringes(documents, _MIRROR_PATHS)
        return self._keep(run, {"offset": mirror_offset(position, fringes)})

    def _reduced(self, run: str) -> xr.Dataset:
        scan = self._reduction.reduced.get(run)
        if scan is None or "delta_n" not in scan:
            msg = f"run {run[:8]} was not reduced: the log says why"
            raise DataError(msg)
        return scan

    def _keep(self, run: str, found: Mapping[str, Estimate]) -> Found:
        """Emit what was found as a run, and hand it to the plan."""
        from analysis.documents.derived_runs import keep_fit  # noqa: PLC0415

        _, start = next(iter(read_run(self._path(run))))
        keep_fit(start, found, self._journal)
        return {name: Quantity(e.value, e.sigma, e.unit, e.note) for name, e in found.items()}

    def _path(self, run: str) -> Any:
        return next(self._journal.directory.glob(f"*/{run}.jsonl"))

    def _documents(self, run: str) -> _Run:
        documents = list(read_run(self._path(run)))
        streams = {doc["uid"]: doc for name, doc in documents if name == "descriptor"}
        events: dict[str, list[dict[str, Any]]] = {"primary": [], "baseline": []}
        for name, doc in documents:
            if name == "event":
                events[streams[doc["descriptor"]]["name"]].append(doc)
        (primary,) = (doc for doc in streams.values() if doc["name"] == "primary")
        configuration = {
            key: value
            for device in primary["configuration"].values()
            for key, value in device["data"].items()
        }
        first = events["baseline"][0]["data"] if events["baseline"] else {}
        rows = [doc["data"] for doc in events["primary"]]
        times = np.array([doc["time"] for doc in events["primary"]])
        return _Run(documents[0][1], configuration, first, rows, times)


def _powers(run: _Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voltages (V), powers and sigmas (W) of a power run, without the meter's zero."""
    from analysis.calibration.retarder_curve import corrected_power  # noqa: PLC0415

    closed = run.column("pump_shutter") < 0.5
    power, sigma = corrected_power(
        run.times, run.column("power"), run.column("power_sigma"), closed
    )
    return run.column("pump_retarder_setpoint")[~closed], power, sigma


def _fringes(run: _Run, path: tuple[float, float]) -> list[Any]:
    """Return the fitted fringes of a run of mean spectra, of paths (um) in a range."""
    from analysis.calibration.path_length import fit_fringes  # noqa: PLC0415

    wavelength, dark, reference = (
        np.asarray(run.baseline[f"spectrometer_spectra_{name}"], float)
        for name in ("wavelength", "dark", "reference")
    )
    return fit_fringes(
        wavelength,
        dark,
        reference,
        run.column("spectrometer_mean_spectrum"),
        gain=run.configuration["spectrometer_gain"],
        read_noise=run.configuration["spectrometer_read_noise"],
        frames=int(run.configuration["spectrometer_frames_per_point"]),
        path=path,
    )
