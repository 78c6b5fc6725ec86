"""Fits of the runs of calibration plans, from the live reduction and the journal."""

from typing import Any

import numpy as np
import xarray as xr

from analysis.documents.live_reduction import LiveReduction
from analysis.documents.run_documents import RunDocuments, Stream
from analysis.estimate import Estimate
from ocm_ophyd.archive.journal import Journal, read_run
from ocm_ophyd.errors import DataError
from ocm_ophyd.frame_schema import DETECTOR, SPECTRA
from plans.calibration.fits import Estimates, PumpTable

__all__ = ["SessionAnalyst"]

_PLATE_PATHS = (2.0, 22.0)  # um, of plates of 0.5 to 5 um (paper)
_MIRROR_PATHS = (6.0, 24.0)  # um, of a mirror at 10 to 20 um (paper), 4 um off at most


class SessionAnalyst:
    """Fits runs of this session.

    The estimates of a fit become a run of their own in the journal, beside the reduced runs.

    Parameters
    ----------
    reduction : LiveReduction
        Keeps the reduced runs.
    journal : Journal
        Holds the documents of runs without interferograms, and gets the estimates.
    """

    # Fits are imported where they are used: scipy.optimize and lmfit are slow to import.

    def __init__(self, reduction: LiveReduction, journal: Journal) -> None:
        self._reduction = reduction
        self._journal = journal

    def arrival(self, run: str) -> Estimates:
        """Return time zero and chirp of a delay scan: see `analysis.chirp.time_zero`.

        Raises
        ------
        DataError
            Where the run was not reduced or shows no rise.
        """
        from analysis.chirp.time_zero import fit_arrival  # noqa: PLC0415

        scan = self._reduced(run)
        names = ("delay", "wavelength", "differential_spectrum", "phase", "path")
        fit = fit_arrival(*(scan[name].values for name in names))
        chirp = zip(fit.chirp, fit.chirp_sigma, strict=True)
        terms = {
            f"chirp_{k}": Estimate(value, sigma, f"ps/(100 rad/ps)^{k}")
            for k, (value, sigma) in enumerate(chirp, start=1)
        }
        zero = Estimate(fit.time_zero, fit.time_zero_sigma, "ps", note="on the scan's own scale")
        return self._keep(run, {"time_zero": zero, **terms})

    def pump_spot(self, run: str) -> Estimates:
        """Return position and waist of the pump in a map: see `analysis.calibration.pump_spot`.

        Raises
        ------
        DataError
            Where the run was not reduced or shows no cloud.
        """
        from analysis.calibration.pump_spot import fit_pump_spot  # noqa: PLC0415
        from analysis.diffusion.gaussian_cloud import PROBE_WAIST  # noqa: PLC0415

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
        estimates = {"fluence_scale": scale, "drift": drift}
        if np.isfinite(curve.retardance):
            estimates["retardance"] = Estimate(
                curve.retardance, curve.retardance_sigma, "waves", note="without voltage"
            )
        return PumpTable(curve.voltage, fluence, self._keep(run, estimates))

    def pump_check(self, run: str, table: PumpTable) -> Estimates:
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

    def plate_edges(self, run: str) -> Estimates:
        """Return what the galvos do, from light across a plate's edges.

        Raises
        ------
        DataError
            Where there are no edges.
        """
        from analysis.calibration.galvo_edges import fit_edges  # noqa: PLC0415
        from analysis.calibration.path_length import plate_path  # noqa: PLC0415

        documents = self._documents(run)
        primary = documents.streams["primary"]
        volts = np.stack([_numbers(primary, f"galvos_{axis}") for axis in "xy"], axis=1)
        path = plate_path(documents.start["sample"])
        level = [float(fringe.parameters[0]) for fringe in _fringes(documents, path)]
        stored = (primary.configuration("galvos")[f"galvos_scale_{axis}"] for axis in "xy")
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
        estimates = {
            name: Estimate(float(value), float(sigma), unit)
            for name, (value, sigma, unit) in values.items()
        }
        return self._keep(run, estimates)

    def thickness(self, run: str) -> Estimates:
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

    def mirror_offset(self, run: str) -> Estimates:
        """Return the path difference at the reference mirror's zero.

        Raises
        ------
        DataError
            Where there are no fringes, or they do not follow the mirror.
        """
        from analysis.calibration.path_length import mirror_offset  # noqa: PLC0415

        documents = self._documents(run)
        position = _numbers(documents.streams["primary"], "reference_mirror_m1")
        fringes = _fringes(documents, _MIRROR_PATHS)
        return self._keep(run, {"offset": mirror_offset(position, fringes)})

    def _reduced(self, run: str) -> xr.Dataset:
        scan = self._reduction.reduced.get(run)
        if scan is None or "delta_n" not in scan:
            msg = f"run {run[:8]} was not reduced: the log says why"
            raise DataError(msg)
        return scan

    def _keep(self, run: str, estimates: Estimates) -> Estimates:
        """Store estimates as a run of their own, and return them."""
        from analysis.documents.derived_runs import keep_fit  # noqa: PLC0415

        _, start = next(iter(read_run(self._path(run))))
        keep_fit(start, estimates, self._journal)
        return estimates

    def _path(self, run: str) -> Any:
        return next(self._journal.directory.glob(f"*/{run}.jsonl"))

    def _documents(self, run: str) -> RunDocuments:
        return RunDocuments.from_journal(read_run(self._path(run)))


def _numbers(stream: Stream, key: str) -> np.ndarray:
    """Return a quantity of all events of a stream as real numbers (P, ...)."""
    return np.asarray(stream.column(key), float)


def _powers(run: RunDocuments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voltages (V), powers and sigmas (W) of a power run, without the meter's zero."""
    from analysis.calibration.retarder_curve import corrected_power  # noqa: PLC0415

    primary = run.streams["primary"]
    closed = _numbers(primary, "pump_shutter") < 0.5
    time, power, sigma = (_numbers(primary, key) for key in ("time", "power", "power_sigma"))
    power, sigma = corrected_power(time, power, sigma, closed)
    return _numbers(primary, "pump_retarder_setpoint")[~closed], power, sigma


def _fringes(run: RunDocuments, path: tuple[float, float]) -> list[Any]:
    """Return the fitted fringes of a run of mean spectra, of paths (um) in a range."""
    from analysis.calibration.path_length import fit_fringes  # noqa: PLC0415

    primary, baseline = run.streams["primary"], run.streams["baseline"]
    wavelength, dark, reference = (
        _numbers(baseline, f"{DETECTOR}_spectra_{each.name}")[0] for each in SPECTRA
    )
    configuration = primary.configuration(DETECTOR)
    return fit_fringes(
        wavelength,
        dark,
        reference,
        _numbers(primary, f"{DETECTOR}_mean_spectrum"),
        gain=configuration[f"{DETECTOR}_gain"],
        read_noise=configuration[f"{DETECTOR}_read_noise"],
        frames=int(configuration[f"{DETECTOR}_frames_per_point"]),
        path=path,
    )
