"""Imports a neighbour, as packages with more than one file do."""

import basic


def handler(event, context):
    return basic.hello(event, context)
