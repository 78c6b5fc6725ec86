"""Start a measuring session: everything importable lives in the packages."""

from IPython import get_ipython

from ocm_ophyd.session.ipython import EXPECTED, begin, one_line

globals().update(begin(get_ipython()))
get_ipython().set_custom_exc(EXPECTED, one_line)
