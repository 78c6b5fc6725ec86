"""Samples: what the experimenter knows about them before measuring."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from ocm_ophyd.errors import UsageError
from ocm_ophyd.input_files import check_values, parse_yaml, read_text

__all__ = ["Sample", "load_samples"]


class Sample(BaseModel):
    """One sample, as it is written into the metadata of its runs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    material: str = Field(description="Names the model that turns Δn into carriers.")
    thickness: PositiveFloat | None = Field(None, description="um; None: to be measured")
    thickness_sigma: PositiveFloat | None = Field(None, description="um")
    size: tuple[PositiveFloat, PositiveFloat] = Field(description="Length and width, um")
    refractive_index: float = Field(gt=1, description="At 1050 nm")
    group_index: float | None = Field(None, gt=1, description="At 1050 nm")
    geometry: Literal["common-path", "reference-mirror"]
    path_difference: float | None = Field(None, description="um, in reference-mirror geometry")
    pump_wavelength: PositiveFloat | None = Field(None, description="nm; None: 525")
    maximum_fluence: PositiveFloat = Field(description="mJ/cm², peak: never exceeded")
    pump_waist: PositiveFloat = Field(description="um, radius at 1/e²")
    position: tuple[float, float] = Field(description="Sample stage x, y on the sample, mm")
    substrate: tuple[float, float] = Field(description="Sample stage x, y beside it, mm")

    @model_validator(mode="after")
    def _has_path_difference(self) -> Self:
        if (self.geometry == "reference-mirror") != (self.path_difference is not None):
            msg = "path_difference is needed in reference-mirror geometry, and only there"
            raise ValueError(msg)
        return self

    def metadata(self) -> dict[str, Any]:
        """JSON-able metadata for a start document."""
        return self.model_dump(mode="json", exclude_none=True)


def load_samples(extra: Path | None = None) -> dict[str, Sample]:
    """Return the samples by name.

    Parameters
    ----------
    extra : Path, optional
        YAML file whose samples add to, or replace, the ones that come with the package;
        it need not exist.

    Raises
    ------
    UsageError
        If a file cannot be read, or a sample has an unknown, missing or impossible value; the
        message names the file, the sample and the value.
    """
    sources = {"samples.yaml": files("ocm_ophyd").joinpath("samples.yaml").read_text("utf-8")}
    if extra is not None and extra.exists():
        sources[str(extra)] = read_text(extra, "the file of samples")
    samples: dict[str, Sample] = {}
    for source, text in sources.items():
        entries = parse_yaml(text, source) or {}
        if not isinstance(entries, dict):
            msg = f"{source} is not a table of samples: write `name:` and its values below it"
            raise UsageError(msg)
        for name, values in entries.items():
            where = f"{source}, sample {name!r}"
            if not isinstance(values, dict) or "name" in values:
                msg = f"{where}: write its values below its name, without a `name` among them"
                raise UsageError(msg)
            samples[name] = check_values(Sample, {"name": name, **values}, where)
    return samples
