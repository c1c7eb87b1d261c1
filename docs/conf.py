"""Sphinx, for `make docs`: the site from the pages of this folder, and the man page."""

import re
from pathlib import Path

HERE = Path(__file__).parent
project = "bluegreen"
author = "the bluegreen authors"
copyright = "the bluegreen authors"  # noqa: A001 - Sphinx reads this name
release = version = re.findall(r'__version__ = "(.+?)"', (HERE.parent / "bluegreen" / "__init__.py").read_text())[0]
extensions = ["myst_parser"]
exclude_patterns = ["errors", "README.md"]  # reference/errors has them all; README.md is for the folder
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"bluegreen {release}"
html_show_sphinx = False
pygments_style = "friendly"
man_pages = [("man", "bluegreen", "blue/green releases with Docker Compose and nginx", author, 1)]
man_show_urls = False
today = " "  # the man page is the same on every day
smartquotes = False  # `--json` in a sentence stays two dashes
