"""What the measurements mean: pure functions on arrays, then callbacks and catalogue glue.

Raw files are in `raw` (their contents in `layout`, refusals in `raw_checks`, what they do not note
in `unnoted`), a whole scan in `reduction`, many files in `batch`. Points go through `reducer`:

- `estimator` is the way of a point: `frames` (passes over counts), `spectra` and `band`
  (normalisation), `point_fit` on `fringe`, `fringe_solver`, `fringe_step` and `fringe_shape`,
  `displacement` (phase, energy and tilt of every frame), `lockin` (drift whitened), `mixtures`
  (partly open frames);
- `outliers` notices pixels and frames that are odd, `slips` a chopper, and `health` mends them.

A delay scan is inverted by `chirp`: `scan_equations` and `time_response` say what a pixel sees,
`time_inversion` solves. `noise` on `frame_phase` tells how quiet the table is.

`materials` turns Δn into carriers; `kinetics` (on `decay`), `fluence`, `maps`, `arrival` and
`pump_power` fit, `scan_fits` what a scan asks for; `rate_*`, `diffusion` and `movie` solve and fit
the paper's equations, `paper/` makes its figures and table; `grid` folds; `figures` draws. `runs`
reads runs of the catalog, `live` reduces while a scan runs, `derived` composes the reduced runs.
"""
