"""Configuration of Sphinx for the site. docs/build runs it over the tree that docs/site/stage.py makes."""

import os

project = "Tollgate"
author = "the Tollgate authors"
copyright = "the Tollgate authors, Apache License 2.0"  # the name is Sphinx's
version = release = os.environ.get("TOLLGATE_DOCS_VERSION", "")

extensions = ["myst_parser", "sphinx_copybutton", "notfound.extension"]
exclude_patterns = ["static"]

# Anchors are those that forges make of headings, so that a link works in both places.
myst_heading_anchors = 6
# A link that leads nowhere is an error, not a download.
nitpicky = True

html_theme = "furo"
html_title = "Tollgate"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "navigation_with_keys": True,
    # Both palettes keep a contrast of 4.5 or more between text and background.
    "light_css_variables": {"color-brand-primary": "#8a3324", "color-brand-content": "#8a3324", "color-brand-visited": "#6b2d5c"},
    "dark_css_variables": {"color-brand-primary": "#f0a58f", "color-brand-content": "#f0a58f", "color-brand-visited": "#d9a3cf"},
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# Where the 404 page finds its styles, whatever address was asked for: the path below which the site is served.
notfound_urls_prefix = os.environ.get("TOLLGATE_DOCS_PREFIX", "/")
notfound_context = {
    "title": "Not found",
    "body": "<h1>Not found</h1><p>There is no such page. The search and the list of pages may have what you look for.</p>",
}
