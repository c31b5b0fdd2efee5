"""Entry point of the Python runtime: what the execution environment starts.

Stays this small on purpose. The script itself is compiled at every start, while the
package beside it is loaded from byte code; and `__main__` is visible to function code.
"""

from dormouse_runtime import loop

loop.main()
