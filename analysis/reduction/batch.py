"""Reduction of many raw files, in this process or on a dask.distributed cluster.

A worker receives the path of a file and returns its reduced dataset. Workers run the same function
on the same bytes, so that the numbers are the same to the rounding of sums.
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

_CONNECT_TIMEOUT = 10
"""Seconds in which a scheduler must answer and have a worker."""


class ClusterError(OcmError):
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
    """Reduce raw files as soon as possible; a file that is refused does not stop the others.

    Parameters
    ----------
    paths : sequence of Path
        Raw files; workers of a cluster must see them under the same paths.
    scheduler : str, optional
        Address of a dask.distributed scheduler, for example `tcp://10.0.0.5:8786`. Without it the
        files are reduced in this process, one after the other.

    Yields
    ------
    path, reduced
        In the order in which they are finished; an exception in place of the dataset is the reason
        why there is none.

    Raises
    ------
    ClusterError
        dask.distributed is not installed, no scheduler answers, it has no workers, or it is lost.
    """
    if scheduler is None:
        for path in paths:
            yield path, _attempt(path)
        return
    with _client(scheduler) as client:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - an optional extra

        # not pure: a file may have changed since the cluster has last seen its name
        futures = client.map(_attempt, [path.resolve() for path in paths], pure=False)
        asked = dict(zip(futures, paths, strict=True))
        for future in as_completed(futures, loop=client.loop):
            if future.cancelled():
                msg = f"the scheduler at {scheduler} is lost, or has thrown the work away"
                raise ClusterError(msg)
            failure = future.exception()
            if failure is None:
                yield asked[future], future.result()
            elif isinstance(failure, KilledWorker):
                msg = f"{asked[future]}: the workers that tried it have died: {failure}"
                yield asked[future], ClusterError(msg)
            else:
                msg = (
                    f"the cluster at {scheduler} cannot reduce; its scheduler and workers need the "
                    f"same ocm-ophyd as this command: {failure}"
                )
                raise ClusterError(msg) from failure
            future.release()  # a worker need not keep what has arrived


def _attempt(path: Path) -> xr.Dataset | Exception:
    """Return the reduced dataset of a file, or the error for which it is refused."""
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
        The message names what is missing.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an optional extra
        from distributed.comm.addressing import parse_address  # noqa: PLC0415
        from distributed.comm.registry import get_backend  # noqa: PLC0415
    except ImportError:
        msg = 'dask.distributed is not installed: pip install "ocm-ophyd[cluster]"'
        raise ClusterError(msg) from None
    # Its messages show tasks and tracebacks; a ClusterError holds what a user needs to know.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        get_backend(parse_address(scheduler)[0])  # the client only asserts this
        client = Client(scheduler, timeout=_CONNECT_TIMEOUT, set_as_default=False)
    except (ValueError, OSError) as error:
        msg = f"no dask scheduler answers at {scheduler!r}: {error}"
        raise ClusterError(msg) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_TIMEOUT)
        except TimeoutError:
            msg = f"the scheduler at {scheduler} has no workers: start them with `dask worker`"
            raise ClusterError(msg) from None
        yield client
