"""Start a measuring session in IPython, as `ocm session` does."""

from IPython import get_ipython

get_ipython().run_line_magic("load_ext", "ocm_ophyd.session.ipython")
