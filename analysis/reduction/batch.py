"""Reduction of many raw files, on this machine or on a dask.distributed cluster.

A worker of the cluster gets the path of a file and returns the reduced dataset. Workers run the
same function on the same file, so the results agree with those of this machine.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.reduction.missing_metadata import open_raw
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.errors import OcmError

__all__ = ["ClusterError", "reduce_file", "reduce_files"]

_TIMEOUT = 10
"""Time for a scheduler to answer, and for a first worker to connect to it, s."""


class ClusterError(OcmError, RuntimeError):
    """A cluster that cannot be used; the message names the reason."""


def reduce_file(path: str | Path) -> xr.Dataset:
    """Reduce a raw file.

    Returns
    -------
    xr.Dataset
        See `analysis.reduction.scan.reduced_dataset`.

    Raises
    ------
    RawFileError
        The file is refused.
    """
    with open_raw(path) as raw:
        return reduce_scan(raw)


def reduce_files(
    paths: Sequence[Path], scheduler: str | None = None
) -> Iterator[tuple[Path, xr.Dataset | Exception]]:
    """Reduce raw files; a file that is refused does not stop the others.

    Parameters
    ----------
    paths : sequence of Path
        Raw files; the workers of a cluster must reach them under the same paths.
    scheduler : str, optional
        Address of a dask.distributed scheduler, for example `tcp://10.0.0.5:8786`. Without it the
        files are reduced on this machine, one after the other.

    Yields
    ------
    path : Path
    reduced : xr.Dataset or Exception
        In the order in which the files are finished. An exception in place of a dataset is the
        reason why there is none.

    Raises
    ------
    ClusterError
        dask.distributed is not installed, no scheduler answers, it has no workers, or the
        connection to it is lost.

    Examples
    --------
    >>> from pathlib import Path
    >>> from analysis import reduce_files
    >>> for path, reduced in reduce_files([Path("sweep.h5")]):
    ...     print(path, reduced.sizes["point"])
    sweep.h5 8
    """
    if scheduler is None:
        for path in paths:
            yield path, _attempt(path)
        return
    with _client(scheduler) as client:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - an optional extra

        # Not pure: a file may have changed since the cluster reduced one of the same path.
        futures = client.map(_attempt, [path.resolve() for path in paths], pure=False)
        path_of = dict(zip(futures, paths, strict=True))
        for future in as_completed(futures, loop=client.loop):
            if future.cancelled():
                msg = f"the connection to the scheduler at {scheduler} is lost, or it was restarted"
                raise ClusterError(msg)
            failure = future.exception()
            if failure is None:
                yield path_of[future], future.result()
            elif isinstance(failure, KilledWorker):
                msg = f"{path_of[future]}: the workers that reduced it were killed: {failure}"
                yield path_of[future], ClusterError(msg)
            else:
                msg = (
                    f"the cluster at {scheduler} cannot reduce files; its scheduler and workers "
                    f"need the same version of ocm-ophyd as this command: {failure}"
                )
                raise ClusterError(msg) from failure
            future.release()  # the worker need not keep the result any longer


def _attempt(path: Path) -> xr.Dataset | Exception:
    """Return the reduced file, or the error that tells why it is refused."""
    try:
        return reduce_file(path)
    except (OcmError, OSError) as error:
        return error


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler that has workers.

    Raises
    ------
    ClusterError
        dask.distributed, the scheduler or its workers are missing; the message says which.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an optional extra
        from distributed.comm.addressing import parse_address  # noqa: PLC0415
        from distributed.comm.registry import get_backend  # noqa: PLC0415
    except ImportError:
        msg = 'dask.distributed is not installed: pip install "ocm-ophyd[cluster]"'
        raise ClusterError(msg) from None
    # The client logs tasks and tracebacks; a ClusterError says what a user needs of them.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        get_backend(parse_address(scheduler)[0])  # refuses an unknown protocol with a message
        client = Client(scheduler, timeout=_TIMEOUT, set_as_default=False)
    except (ValueError, OSError) as error:
        msg = f"no dask scheduler answers at {scheduler!r}: {error}"
        raise ClusterError(msg) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_TIMEOUT)
        except TimeoutError:
            msg = f"the scheduler at {scheduler} has no workers: start them with `dask worker`"
            raise ClusterError(msg) from None
        yield client
