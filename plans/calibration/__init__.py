"""Plans that calibrate the instrument; one quantity, one module.

================  ============================================================
reference         dark and interference-free spectra
pump_power        pump fluence against the voltage of the retarder
path_length       thickness of a plate, zero of the reference mirror
galvos            scale, rotation and zero of the mirrors that move the probe
alignment         time zero and chirp, overlap, and all calibrations in order
fits              the fits that these plans ask for
================  ============================================================
"""
