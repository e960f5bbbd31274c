"""How the site is built."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "dualtable"
author = "The dualtable contributors"
copyright = "The dualtable contributors"
release = version = version_of("dualtable")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "directives"]
exclude_patterns = ["_build"]

smartquotes = False  # it makes a dash of the two hyphens of an option

html_theme = "furo"
html_title = "dualtable"
html_show_sphinx = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist", "tasklist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Keys", "params_style")]

# Names in backticks are links; arguments, which are lower case, have no page to link to.
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:obj", r"[a-z_]+"),
    # Phases and the connection, each on one page that the guides link to.
    ("py:obj", r"[A-Z]+(_[A-Z]+)*|Connection|DualTableError"),
    # Another project's.
    (
        "py:.*",
        r"(asyncio|attr|attrs|boto3|collections|concurrent|enum|os|random|signal|types|typing)\b.*",
    ),
    # Internal, in annotations; what callers may want to look up has a public name.
    ("py:.*", r"dualtable\.(\w+\.)?_.*|AnyTransform|Item|Key|Outputs|Path|Projected"),
]
