"""A function that runs in an image of its own: it greets, and tells on what it runs."""

import os
import platform


def handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {
        "greeting": f"{os.environ['GREETING']}, {name}!",
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "python": platform.python_version(),
        "request": context.aws_request_id,
    }
