"""Runs before the runtime, as instrumentation does that is added without touching the code."""

import os

os.environ["CUSTOMISED"] = "yes"
