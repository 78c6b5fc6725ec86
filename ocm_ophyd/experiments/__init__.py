"""Whole experiments, made of a session, its plans and the analysis.

=================  ================================================================================
demo               measurements of `ocm demo`; `demo_results` are its fits, tables and figures
definition         the published experiment: its steps, and which of them a directory holds
acquisition        the steps that are missing, measured; `evidence` collects their data for the fits
report             the page with the results
overnight_series   files that describe an unattended series
formatting         numbers and durations as text
=================  ================================================================================
"""
