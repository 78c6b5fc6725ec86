"""Samples: what the experimenter knows about them before measuring."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

__all__ = ["Sample", "load_samples"]


class Sample(BaseModel):
    """One sample, as it is written into the metadata of its runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    ValueError
        Names the file, the sample and what is wrong with it.
    """
    sources = {"samples.yaml": files("ocm_ophyd").joinpath("samples.yaml").read_text("utf-8")}
    if extra is not None and extra.exists():
        sources[str(extra)] = extra.read_text("utf-8")
    samples: dict[str, Sample] = {}
    for source, text in sources.items():
        try:
            entries = yaml.safe_load(text) or {}
            for name, fields in entries.items():
                samples[name] = Sample(name=name, **fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            msg = f"{source}: sample {name!r}, {where}: {first['msg']}"
            raise ValueError(msg) from None
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            msg = f"{source} is not a table of samples: {error}"
            raise ValueError(msg) from None
    return samples
