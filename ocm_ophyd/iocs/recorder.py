"""Spectrometer, its files: one new file a run, one row a point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ocm_ophyd.iocs.frame_file import FrameFile, explain
from ocm_ophyd.iocs.pv import Group, counter, integer, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Recorder"]


class Recorder(Group):
    """The file side of the spectrometer, which is its parent.

    Writing 1 to Capture opens a new file for points of NumFrames frames below the raw data
    directory, writing 0 closes it. A file is never overwritten; a row may be, by NextPoint,
    where a point has to be taken again.
    """

    directory = text("FilePath", "Directory of the next file, below the raw data directory")
    file_name = text("FileName", "Name of the next file, without extension")
    full_name = text("FullFileName_RBV", "File that is or was open", read_only=True)
    capture = integer("Capture", 0, "1 opens a new file for points of NumFrames frames, 0 closes")
    capturing = counter("Capture_RBV", 0, "Whether a file is open")
    next_point = integer("NextPoint", 0, "Row of the next point", limits=(0, 2**31 - 1))
    point_counter = counter("PointCounter_RBV", 0, "Points in the open file")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file: FrameFile | None = None

    @property
    def recording(self) -> bool:
        """Whether a file is open."""
        return self._file is not None

    def close(self) -> None:
        """Close a file that is open, when the server ends."""
        if self._file is not None:
            self._file.close()

    async def record(self, **point: NDArray[Any]) -> None:
        """Write a point (see `FrameFile.write`), if a file is open.

        Raises
        ------
        OSError
            The point could not be written; the file is closed with the points before it.
        """
        row = self.next_point.value
        if self._file is not None:
            try:
                await self.bench.run(self._file.write, row, **point)
            except OSError as error:
                path = self._file.path
                await self._close()
                raise OSError(explain(error, path)) from error
            await self.point_counter.write(self._file.points)
        await self.next_point.write(row + 1, verify_value=False)

    @directory.putter
    async def _put_directory(self, _: Any, value: str) -> None:
        self._below_raw(value)

    @file_name.putter
    async def _put_file_name(self, _: Any, value: str) -> None:
        if Path(value).name != value:
            msg = f"FileName must be a plain name without directories, not {value!r}"
            raise ValueError(msg)

    @next_point.putter
    async def _put_next_point(self, _: Any, value: int) -> None:
        async with self.parent.idle("NextPoint"):
            if self._file is not None and value > self._file.points:
                await self._refuse(f"NextPoint can be at most {self._file.points}, not {value}")

    @capture.putter
    async def _put_capture(self, _: Any, value: int) -> None:
        async with self.parent.idle("Capture"):
            if value:
                await self._open()
            else:
                await self._close()

    async def _open(self) -> None:
        if self._file is not None:
            await self._refuse(f"{self._file.path} is open: write 0 to Capture first")
        if not self.file_name.value:
            await self._refuse("no file name: write FileName before Capture")
        path = self._below_raw(self.directory.value) / f"{self.file_name.value}.h5"
        microscope = self.bench.microscope
        constants = {
            "exposure": microscope.exposure,
            "gain": microscope.gain,
            "read_noise": microscope.read_noise,
        }
        frames = self.parent.num_frames.value
        try:
            self._file = await self.bench.run(
                FrameFile, path, frames, microscope.wavelength, constants
            )
        except OSError as error:
            await self._refuse(explain(error, path))
        await self.full_name.write(str(path))
        await self.point_counter.write(0)
        await self.next_point.write(0, verify_value=False)
        await self.capturing.write(1)
        await self.parent.report()

    async def _close(self) -> None:
        file, self._file = self._file, None
        await self.capturing.write(0)
        await self.capture.write(0, verify_value=False)
        if file is not None:
            try:
                await self.bench.run(file.close)
            except OSError as error:
                self.log.error("%s", explain(error, file.path))

    def _below_raw(self, directory: str) -> Path:
        path = (self.bench.raw_dir / directory).resolve()
        if not path.is_relative_to(self.bench.raw_dir):
            msg = f"FilePath must lie below {self.bench.raw_dir}, and {path} does not"
            raise ValueError(msg)
        return path

    async def _refuse(self, message: str) -> NoReturn:
        """Fail the write, and say why where clients without its error see it."""
        await self.parent.report(message)
        raise ValueError(message)
