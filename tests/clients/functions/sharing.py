"""A handler that does to a shared directory what its event lists, one step after the other."""

import errno
import fcntl
import os
import pathlib


def handler(event, context):
    return [attempt(*step) for step in event["steps"]]


def attempt(action, path, *more):
    try:
        return ACTIONS[action](pathlib.Path(path), *more)
    except OSError as error:
        return errno.errorcode[error.errno]


def write(path, text):
    path.write_text(text)
    return "done"


def append(path, text, times):
    """One line at a time, each under a lock."""
    for _ in range(times):
        with open(path, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text + "\n")
    return "done"


def owner(path):
    found = path.lstat()
    return [found.st_uid == os.getuid(), found.st_gid == os.getgid(), oct(found.st_mode & 0o7777)]


def does(work):
    """An action that tells nothing but that it was done."""

    def action(path, *more):
        work(path, *more)
        return "done"

    return action


ACTIONS = {
    "write": write,
    "append": append,
    "owner": owner,
    "read": lambda path: path.read_text(),
    "names": lambda path: sorted(os.listdir(path)),
    "mkdir": does(os.mkdir),
    "rename": does(os.rename),
    "remove": does(os.unlink),
    "chmod": does(os.chmod),
    "chown": does(os.chown),
    "link": does(os.symlink),
    "device": does(lambda path: os.mknod(path, 0o020600, os.makedev(1, 3))),
}
