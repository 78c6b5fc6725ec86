"""Parts of plans.

==============  ==============================================================
points          coordinates of points, and checks before the first move
pump_probe      points with the pump; beam paths and start documents
pump_off        mean spectra without the pump
arguments       checks of the arguments of plans, and their record
==============  ==============================================================
"""
