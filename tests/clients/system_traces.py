"""What a server has in the system besides its files: processes, cgroups, namespaces, mounts, loop devices.

Traces are taken while the server runs and looked for after it has ended. Only what belongs to the given
server counts, so that other servers on the machine do not disturb. Needs the rights to read other users'
`/proc` entries: run as root.
"""

import contextlib
import os
import pathlib

PROC = pathlib.Path("/proc")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# `time` and `user` are the host's own unless the server is rootless.
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def processes():
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def parent(pid):
    # The name in brackets may hold anything, so what counts begins after the last one.
    return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def descendants(root):
    """The process and all below it."""
    parents = {}
    for pid in processes():
        with contextlib.suppress(OSError):
            parents[pid] = parent(pid)
    found, todo = {root}, [root]
    while todo:
        above = todo.pop()
        below = [pid for pid, its_parent in parents.items() if its_parent == above and pid not in found]
        found.update(below)
        todo += below
    return found


def namespaces(pid):
    """The namespaces of a process, as `mnt:[4026532178]`."""
    found = set()
    for kind in NAMESPACES:
        with contextlib.suppress(OSError):
            found.add(os.readlink(PROC / str(pid) / "ns" / kind))
    return found


def start_time(pid):
    """When it started, in clock ticks since the machine did; None if there is none, or only its corpse, which is
    for its parent to bury."""
    with contextlib.suppress(OSError):
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    return None


def clock_ticks():
    """The present on the scale of `start_time`."""
    return int(float((PROC / "uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK"))


class Traces:
    """Everything of one running server that must be gone once it has ended.

    Call `ended` when it has. The kernel gives the numbers of namespaces out again, as soon as one is gone: only a
    process that was there when the traces were taken is known by them, and a younger one by its cgroup. The next
    server on the same data has cgroups of the same names, so processes of a later time do not count.
    """

    def __init__(self, server_pid, data_dir):
        self.data_dir = str(data_dir)
        self.end = None
        family = descendants(server_pid)
        self.processes = {pid: start_time(pid) for pid in family}
        own = namespaces(os.getpid())
        self.namespaces = set().union(*map(namespaces, family)) - own
        self.cgroups = set()
        for pid in family:
            with contextlib.suppress(OSError):
                for line in (PROC / str(pid) / "cgroup").read_text().splitlines():
                    parts = line.split(":", 2)[2].split("/")
                    self.cgroups.update(part for part in parts if part.startswith("dormouse-"))
        self.taken = clock_ticks()

    def ended(self):
        self.end = clock_ticks()

    def _of_its_time(self, pid):
        started = start_time(pid)
        return started is not None and started < self.end

    def remaining(self):
        """What is still there, in words; empty when all is gone."""
        left = [f"process {pid}" for pid, start in self.processes.items() if start and start_time(pid) == start]
        for pid in filter(self._of_its_time, processes()):
            # A process may end while it is looked at.
            with contextlib.suppress(OSError, TypeError):
                shared = namespaces(pid) & self.namespaces
                if shared and start_time(pid) <= self.taken:
                    left.append(f"process {pid} in {sorted(shared)}")
                for line in (PROC / str(pid) / "cgroup").read_text().splitlines():
                    if any(name in line for name in self.cgroups):
                        left.append(f"process {pid} in cgroup {line}")
        for name in self.cgroups:
            for place in (CGROUPS, *CGROUPS.iterdir()):
                if (place / name).is_dir():
                    left.append(f"cgroup {place / name}")
        return sorted({*left, *self._mounts(), *self._loop_devices()})

    def _mounts(self):
        for line in (PROC / "self" / "mountinfo").read_text().splitlines():
            if self.data_dir in line or any(name in line for name in (*self.namespaces, *self.cgroups)):
                yield f"mount {line}"

    def _loop_devices(self):
        for entry in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                if self.data_dir in entry.read_text():
                    yield f"loop device {entry.parts[3]}"
