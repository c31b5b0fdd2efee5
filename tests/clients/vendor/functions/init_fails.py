"""Cannot be loaded."""

raise RuntimeError("no configuration")
