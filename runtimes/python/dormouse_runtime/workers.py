"""Several invocations at once: one process for each, as Lambda has it for Python.

The first process forks the workers before any function code is loaded, so that none shares a
socket or a thread with another, and stays behind to watch them. Workers are not replaced one by
one: the first that ends takes the environment with it, in the same way as it ended itself, and the
platform starts another. Loaded only where AWS_LAMBDA_MAX_CONCURRENCY is set.
"""

import os

import _signal

#: An environment may have 1,024 processes and threads; function code needs some as well.
WORKERS_MAX = 512


def fork(limit):
    """Returns in each of `limit` (a text) new processes, and never in the calling one."""
    children = set()
    for _ in range(_count(limit)):
        pid = os.fork()
        if pid == 0:
            return
        children.add(pid)
    _watch(children)


def _count(limit):
    try:
        return min(WORKERS_MAX, max(1, int(limit)))
    except ValueError:
        return 1


def _watch(children):
    # What the platform tells this process is meant for function code.
    _signal.signal(_signal.SIGTERM, lambda number, _frame: _send(children, number))
    pid, status = os.wait()
    children.discard(pid)
    _send(children, _signal.SIGKILL)
    if os.WIFSIGNALED(status):
        # Killed for lack of memory, say: the platform must be able to see that.
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _send(children, number):
    for pid in children:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # It has ended by itself meanwhile.
