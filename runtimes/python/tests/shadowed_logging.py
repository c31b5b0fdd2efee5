"""Shipped as `logging.py`: must not replace the standard library's module."""

raise RuntimeError("the function's own logging was imported")
