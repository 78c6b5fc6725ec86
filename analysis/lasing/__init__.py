"""Pump fluence: response of Δn, and the lasing threshold by three definitions.

`fluence_response` fits Δn against fluence; `fluorescence_threshold` fits two straight lines to the
fluorescence; `laser_line` separates the laser line from the luminescence and `s_curve` finds the
inflection of its S-curve; `fast_component` finds where gain equals loss from Δn alone.
`docs/explanation/thresholds.md` says which threshold is which.
"""
