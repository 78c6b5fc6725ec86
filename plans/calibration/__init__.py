"""Plans that calibrate the instrument, and what they ask of whoever fits their runs."""
