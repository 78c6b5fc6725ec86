"""The lasing threshold: response to fluence, the laser line, the S-curve, the fast component."""
