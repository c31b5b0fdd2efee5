"""From the handler setting (`module.function`) to the function.

The text after the last dot names the function; what precedes it names the module, with `/` or
`.` between packages. Every way in which that can fail has Lambda's error type and wording.
Exceptions that the module raises while it is imported pass through unchanged.
"""

import sys

from .fault import Fault


def resolve(setting):
    """Imports the handler's module and returns the handler."""
    try:
        module_name, function_name = setting.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (setting, error))
    module = _load(module_name)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound",
            "Handler '%s' missing on module '%s'" % (function_name, module_name),
        )


def _load(name):
    if name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module %s as a handler module" % name,
        )
    dotted = name.replace("/", ".")
    try:
        __import__(dotted)
        return sys.modules[dotted]
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (name, error))
    except SyntaxError as error:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module '%s': %s" % (name, error),
            ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)],
        )
