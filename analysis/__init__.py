"""What the measurements mean: pure functions on arrays, then callbacks and catalogue glue.

Raw files are in `raw` (their contents in `layout`); one point in `reducer`, built on `band`,
`lockin` and `fringe`; a whole scan in `reduction`, with `chirp` for delay scans; `materials` turns
Δn into carriers; `kinetics` (on `decay`), `fluence`, `maps`, `arrival` and `pump_power` fit,
`scan_fits` what a scan asks for; `grid` folds; `figures` draws. `runs` reads runs of the catalog,
`live` reduces while a scan runs, `derived` composes the reduced runs.
"""
