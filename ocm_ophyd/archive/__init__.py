"""Every run, kept and searchable.

`journal` writes the documents of each run to disk before anything else may fail, `metadata` says
what may stand in them. `feeder` carries the journal into the catalog (`run_writer` one run),
`server` runs tiled (`tiled_app`) with the feeder beside it, `access` knows its address and key.
`catalog` connects to it and `runs` searches it.
"""
