"""What the measurements mean: pure functions on arrays, then callbacks and catalogue glue.

Raw files are in `raw` (their contents in `layout`); one point in `reducer`, built on `band`,
`lockin` and `fringe`; a whole scan in `reduction`, with `chirp` for delay scans; `materials` turns
Δn into carriers; `kinetics` (on `decay`), `fluence`, `maps` and `alignment` fit; `figures` draws.
"""
