"""The error that the runtime itself raises about a function, as opposed to the function's own."""


class Fault(Exception):
    """A failure with one of Lambda's `Runtime.*` error types.

    `trace` holds ready lines for the stack trace, for faults that have a place in the source.
    """

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = list(trace)
