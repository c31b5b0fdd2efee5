'use strict';

/**
 * The console as functions on Lambda find it.
 *
 * Replaces the methods of the global console by ones that write Lambda's records: text as
 * `time<tab>request id<tab>LEVEL<tab>message`, or JSON objects where the function's log format
 * says so; levels below the function's log level write nothing. Every write is synchronous, so
 * all output of an invocation is out before its reply.
 *
 * By default a record is a line on standard output. Where the platform passed a descriptor for
 * frames, each record is one frame and keeps its line breaks: a four-byte type, a four-byte
 * length, an eight-byte time in microseconds, then the message, all big-endian. This is the
 * protocol that Lambda's own runtime clients speak.
 */

const fs = require('fs');
const { format } = require('util');
const errors = require('./errors.js');

const STDOUT = 1;
const FRAME_JSON = 0xa55a0002;
const FRAME_TEXT = 0xa55a0003;

/** In rising severity; `frame` is added to a frame's type. */
const LEVELS = {
  TRACE: { name: 'TRACE', severity: 1, frame: 0x04 },
  DEBUG: { name: 'DEBUG', severity: 2, frame: 0x08 },
  INFO: { name: 'INFO', severity: 3, frame: 0x0c },
  WARN: { name: 'WARN', severity: 4, frame: 0x10 },
  ERROR: { name: 'ERROR', severity: 5, frame: 0x14 },
  FATAL: { name: 'FATAL', severity: 6, frame: 0x18 },
};

/**
 * Replaces the console's methods; returns the function that logs an error under a title. `current`
 * has the `requestId` and `tenantId` that a record is to name.
 */
function installConsole(environ, current) {
  const json = environ.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const lowest = LEVELS[environ.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  const write = recordWriter(environ, json);
  const method = (level) =>
    level.severity < lowest.severity
      ? () => {}
      : (message, ...parameters) => {
          const now = new Date();
          const record = json
            ? jsonRecord(now, current, level, message, parameters)
            : `${now.toISOString()}\t${current.requestId}\t${level.name}\t${format(message, ...parameters)}`;
          write(record, level, now);
        };
  console.trace = method(LEVELS.TRACE);
  console.debug = method(LEVELS.DEBUG);
  console.info = method(LEVELS.INFO);
  console.log = console.info;
  console.warn = method(LEVELS.WARN);
  console.error = method(LEVELS.ERROR);
  console.fatal = method(LEVELS.FATAL);
  return json
    ? (_title, error) => console.error(errors.asError(error))
    : (title, error) => console.error(title, errors.format(errors.asError(error)));
}

function recordWriter(environ, json) {
  const descriptor = parseInt(environ._LAMBDA_TELEMETRY_LOG_FD, 10);
  delete environ._LAMBDA_TELEMETRY_LOG_FD;
  if (Number.isNaN(descriptor)) {
    return (record) => writeFully(STDOUT, Buffer.from(record + '\n'));
  }
  return (record, level, now) => {
    const payload = Buffer.from(json ? record : record + '\n');
    const head = Buffer.allocUnsafe(16);
    head.writeUInt32BE(((json ? FRAME_JSON : FRAME_TEXT) | level.frame) >>> 0, 0);
    head.writeUInt32BE(payload.length, 4);
    head.writeBigUInt64BE(BigInt(now.getTime()) * 1000n, 8);
    writeFully(descriptor, Buffer.concat([head, payload]));
  };
}

function writeFully(descriptor, bytes) {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += fs.writeSync(descriptor, bytes, written);
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // The reader is gone: a log line is no reason to fail.
      // Full, and someone made it non-blocking: wait a millisecond for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function jsonRecord(now, { requestId, tenantId }, level, message, parameters) {
  const record = { timestamp: now.toISOString(), level: level.name, requestId };
  if (tenantId !== undefined) record.tenantId = tenantId;
  if (parameters.length === 0) {
    // A lone value is kept as a value, not turned into text, if it can be.
    try {
      return JSON.stringify({ ...record, message }, (_key, value) =>
        value instanceof Error ? { ...errorFields(value), ...value } : value,
      );
    } catch {
      return JSON.stringify({ ...record, message: format(message) });
    }
  }
  const error = [message, ...parameters].find((value) => value instanceof Error);
  return JSON.stringify({ ...record, message: format(message, ...parameters), ...(error && errorFields(error)) });
}

function errorFields(error) {
  return {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

module.exports = { installConsole };
