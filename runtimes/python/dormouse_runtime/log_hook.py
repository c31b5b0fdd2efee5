"""Sets up `logging` the moment that something imports it, and not before.

Functions on Lambda find the root logger configured already. Importing `logging` for them would
cost every cold start several milliseconds, so an import hook does it for those that use it.
"""

import os
import sys


class LogHook:
    """A meta path finder for the one name `logging`; removes itself once it was asked."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        # The standard library's, even if the function ships a module of this name: on Lambda
        # it is loaded before the function's folder can take part.
        library = [os.path.dirname(os.__file__)]
        for finder in sys.meta_path:
            spec = finder.find_spec(name, library)
            if spec is not None:
                break
        else:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            # A module is in `sys.modules` while it executes, so this import finds it.
            from . import logs

            logs.install(module)

        spec.loader.exec_module = exec_module
        return spec
