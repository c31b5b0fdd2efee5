"""Everything that ends up in the log."""

import logging
import sys
import threading

logger = logging.getLogger()


def text(event, context):
    logger.warning("watch %s", "out")
    logger.info("not shown at the default level")
    return [type(h).__name__ for h in logger.handlers]


def with_level(event, context):
    logging.getLogger().setLevel(logging.DEBUG)
    logging.debug("fine detail")
    logging.getLogger("part").info("from a part")


def configured_level(event, context):
    logger.debug("too low")
    logger.info("wanted")
    return logger.level


def every_level(event, context):
    logger.setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "two\nlines")
    print("printed")


def basic_config_is_ignored(event, context):
    logging.basicConfig(format="mine %(message)s")
    logging.warning("still theirs")
    return len(logging.getLogger().handlers)


def exception(event, context):
    try:
        {}["absent"]
    except KeyError:
        logger.exception("caught")


def extra(event, context):
    logger.warning("with extra", extra={"order": {"id": 7}})
    logger.warning({"a": 1})


def streams(event, context):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    sys.stdout.write("no line end")
    print("two\nlines")
    sys.stdout.buffer.write(b"bytes\n")
    return "done"


def context_log(event, context):
    context.log("straight through\n")
    context.log(42)


def thread(event, context):
    worker = threading.Thread(target=lambda: logger.error("from a thread"))
    worker.start()
    worker.join()


def request_id(event, context):
    logger.error("mine")
    return context.aws_request_id


def own_formatter(event, context):
    logger.handlers[0].setFormatter(logging.Formatter("own %(aws_request_id)s %(message)s\n"))
    logger.error("text")
    return context.aws_request_id
