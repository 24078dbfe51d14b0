"""The ways in: one file each, all of one shape (``base.py``). Pure, like the core that calls them."""
