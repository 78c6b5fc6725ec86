"""Kinetics of Δn: decay models, their fit, relaxation time, dependence on the window, rise.

`models` holds the decay models and their registry, `model_lookup` finds one by its name or in a
Python file, `decay_fit` fits it, `model_comparison` ranks the models on one fit's data,
`window_dependence` repeats a fit in several windows, `rise_time` measures the rise at time zero.
"""
