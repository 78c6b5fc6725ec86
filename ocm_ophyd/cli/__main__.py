"""``python -m ocm_ophyd.cli``: the ``ocm`` command where it is not on the path."""

from ocm_ophyd.cli import app

app()
