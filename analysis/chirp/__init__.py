"""Time resolution: group delay of the probe, time zero, and inversion of delay scans."""
