"""Where function code finds modules.

The interpreter is started without `site`, which saves milliseconds and keeps the host's own
packages out. What functions may rely on is put back here: Lambda's module search path, `.pth`
files in it, a `sitecustomize` brought by PYTHONPATH, and the `exit` and `quit` built-ins.
"""

import os
import sys


def install(environ):
    """Sets `sys.path` in Lambda's order: the function, its layers, the runtime, the library."""
    version = "python%d.%d" % sys.version_info[:2]
    task_root = environ.get("LAMBDA_TASK_ROOT", "/var/task")
    layers = ["/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    # As on Lambda, a PYTHONPATH of the function's own replaces the layers' folders.
    own_path = "PYTHONPATH" in environ
    front = [task_root] if own_path else [task_root, *layers]
    sys.path[:0] = front
    sys.path.append("%s/lib/%s/site-packages" % (sys.prefix, version))
    _install_builtins()
    for folder in front:
        _read_path_files(folder)
    if own_path:
        try:
            __import__("sitecustomize")
        except ImportError as error:
            if error.name != "sitecustomize":
                raise


def _install_builtins():
    import _sitebuiltins
    import builtins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


def _read_path_files(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return  # A layer folder that no layer filled.
    if any(name.endswith(".pth") for name in names):
        import site

        site.addsitedir(folder)
