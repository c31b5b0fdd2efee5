"""A module that cannot be imported because its own code fails."""

raise RuntimeError("no configuration")
