"""The Python side of an execution environment: a client of the Lambda Runtime API 2018-06-01.

`loop` drives init and invokes and is the only module that knows all the others. Everything on
the path to the first invoke imports built-in modules only (`_json`, `_socket`, `os`), because
imports are most of a cold start. `faults` and `logs` pull in the standard library's
`traceback` and `logging`, so they are imported when the first error or log record needs them.
Runs on Python 3.8 and later.
"""
