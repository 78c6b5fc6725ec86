"""The catalog as it is served: what was measured, with what was derived from it on request.

Measurements and the runs that were derived from them (reductions, fits) are kept side by side,
each under its uid. A list of the catalog holds the measurements only, so that ``catalog[-1]`` is
the last one for every client, and ``catalog[uid]`` finds any run. A search that names
``start.raw_run`` or a uid looks at derived runs too.
"""

from typing import Any

from sqlalchemy.sql import Select
from tiled.catalog.adapter import CatalogContainerAdapter, key_present
from tiled.queries import KeyPresent

__all__ = ["MeasurementCatalog"]

_NAMES_DERIVED = frozenset({"start.raw_run", "start.uid"})


class MeasurementCatalog(CatalogContainerAdapter):
    """A tiled catalog whose lists leave out derived runs, unless a search names them.

    Parameters
    ----------
    *args, **kwargs
        Of `tiled.catalog.adapter.CatalogContainerAdapter`.
    derived : bool
        Whether derived runs are among what is listed.
    """

    def __init__(self, *args: Any, derived: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._derived = derived

    def new_variation(self, *args: Any, **kwargs: Any) -> "MeasurementCatalog":
        """Return the catalog with other conditions or another order."""
        return super().new_variation(*args, **{"derived": self._derived} | kwargs)

    def search(self, query: Any) -> CatalogContainerAdapter:
        """Return the catalog narrowed by a query."""
        found = super().search(query)
        if getattr(query, "key", None) in _NAMES_DERIVED:
            return found.new_variation(derived=True)
        return found

    def apply_conditions(self, statement: Select) -> Select:
        """Add what is searched for to a statement of SQL."""
        statement = super().apply_conditions(statement)
        if self._derived:
            return statement
        plain = CatalogContainerAdapter(self.context, self.node)
        without = key_present(KeyPresent("start.raw_run", exists=False), plain)
        return without.apply_conditions(statement)

    async def lookup_adapter(self, segments: list[str]) -> Any:
        """Return the node below this one, a derived run too."""
        if self._derived or not segments:
            return await super().lookup_adapter(segments)
        return await self.new_variation(derived=True).lookup_adapter(segments)
