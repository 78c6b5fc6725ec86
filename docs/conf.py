"""Settings of the documentation: ``sphinx-build -W docs docs/_build``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "ocm-ophyd"
author = "the ocm-ophyd contributors"
copyright = f"2026, {author}"
version = release = version_of("ocm-ophyd")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "command_reference",
    "private_instrument",
    "pv_reference",
    "settings_reference",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "jupyter_execute"]
nitpicky = False
default_role = "py:obj"  # `name` in a docstring links to the name where it is documented

# pages
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = True

# tutorials run when the site is built; a cell that fails fails the build
nb_execution_mode = "auto"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_output_stderr = "remove"  # progress bars
nb_merge_streams = True
nb_execution_excludepatterns = []
copybutton_exclude = ".linenos, .gp, .go"

# docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the numpy docstrings state types with shapes and units
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "ocm-ophyd"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
mathjax_path = "mathjax/tex-chtml.js"  # a copy in the site: laboratories may be offline
