"""The documentation: `make docs` builds it into docs/_build/html, from these pages, the docstrings
and the scripts of examples/gallery, which are run.

Nothing is fetched, neither while it is built nor by whoever reads it.
"""

import os
import re
import sys
import warnings
from pathlib import Path

from sphinx.errors import ExtensionError
from threadpoolctl import threadpool_limits

import fastbp
import fastbp.dask

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE))  # sphinx-gallery finds gallery_style in here

project = "fastbp"
author = "The fastbp developers"
copyright = "The fastbp developers"
version = release = fastbp.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "offline_math",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "gallery/**/*.ipynb"]
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_title = f"fastbp {version}"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_theme_options = {"footer_icons": []}

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/gallery"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/plot_",
    "subsection_order": [
        "../examples/gallery/tables",
        "../examples/gallery/losses",
        "../examples/gallery/network",
        "../examples/gallery/training",
        "../examples/gallery/inside",
    ],
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("fastbp",),
    "inspect_global_variables": True,
    "reset_modules": ("matplotlib", "gallery_style.reset"),
    "image_scrapers": ("matplotlib",),
    "plot_gallery": os.environ.get("FASTBP_DOCS_RUN", "1") != "0",
    "abort_on_example_error": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "write_computation_times": False,  # their pages load scripts from elsewhere
}

# Threads of BLAS and OpenMP that wait for each other, on a machine with other work, make the small
# fits of the gallery many times slower.
_limits = threadpool_limits(1)

# As when a user runs a script; but a warning in an example is worth a look, so it is shown there.
warnings.filterwarnings("default", module="fastbp")


def _escape_plain_text(app, what, name, obj, options, lines):
    """Docstrings are written to be read in a terminal: |x| and n_features_in_ mean themselves."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", "..")):
            parts = re.split(r"(`+[^`]*`+_?)", line)
            parts[::2] = [re.sub(r"\||(?<=\w)_(?=\W|$)", r"\\\g<0>", part) for part in parts[::2]]
            lines[i] = "".join(parts)


def _link_within(app, docname, source):
    """Links that also work when a page is read in the repository."""
    source[0] = source[0].replace("](../benchmarks/results.md)", "](results.md)")


def _skip_what_is_inherited(app, what, name, obj, skip, options):
    """Of scikit-learn's methods (get_params, score, set_fit_request, ...) its own pages tell."""
    function = getattr(obj, "fget", None) or obj
    module = getattr(function, "__module__", None) or ""
    return True if module.startswith("sklearn") else None


def _check_api_page(app):
    """Each public name stands on the API page, and no other."""
    listed = set(re.findall(r"^   (\w+)$", (HERE / "api.rst").read_text(), re.MULTILINE))
    public = {*fastbp.__all__, *fastbp.dask.__all__}
    if listed != public:
        raise ExtensionError(
            f"docs/api.rst and the public names differ in {sorted(listed ^ public)}"
        )


def setup(app):
    app.connect("autodoc-process-docstring", _escape_plain_text, priority=100)  # before numpydoc
    app.connect("source-read", _link_within)
    app.connect("autodoc-skip-member", _skip_what_is_inherited)
    app.connect("builder-inited", _check_api_page)
