'use strict';

/**
 * Errors as the Runtime API and the log show them.
 *
 * Owns Lambda's `Runtime.*` error types, the error document (`errorType`, `errorMessage`,
 * `trace`) and the form of an error in a text log. Function code can throw anything: nothing
 * here may throw on a strange value.
 */

const { types } = require('util');

/** A class of errors that the runtime itself raises about a function. */
function runtimeError(name) {
  class RuntimeError extends Error {}
  // Both show in stack traces, which read the name at construction.
  Object.defineProperty(RuntimeError, 'name', { value: name });
  RuntimeError.prototype.name = `Runtime.${name}`;
  return RuntimeError;
}

const ImportModuleError = runtimeError('ImportModuleError');
const HandlerNotFound = runtimeError('HandlerNotFound');
const MalformedHandlerName = runtimeError('MalformedHandlerName');
const UserCodeSyntaxError = runtimeError('UserCodeSyntaxError');
const JSONStringifyError = runtimeError('JSONStringifyError');
const InvalidStreamingOperation = runtimeError('InvalidStreamingOperation');
const MalformedStreamingHandler = runtimeError('MalformedStreamingHandler');

class UnhandledPromiseRejection extends runtimeError('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

class CallbackHandlerDeprecated extends runtimeError('CallbackHandlerDeprecated') {
  /** `version`: the runtime's; up to 22 callbacks are out of place only where invocations run concurrently. */
  constructor(version) {
    const reason =
      version < 24
        ? `does not support callback-based function handlers when using Node.js ${version} with Managed Instances. ` +
          'To use Managed Instances, modify this function to use a supported handler signature.'
        : 'has removed support for callback-based function handlers starting with Node.js 24. ' +
          'You need to modify this function to use a supported handler signature to use Node.js 24 or later.';
    const page = 'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html';
    super(`ERROR: AWS Lambda ${reason} For more information see ${page}.`);
  }
}

/** The reply that reports `error`. */
function reply(error) {
  const document = describe(error);
  return { outcome: 'error', body: JSON.stringify(document), errorType: document.errorType };
}

/** As `reply`, with a body of at most `bytes`: the trace is cut first, then the texts. */
function replyWithin(bytes, error) {
  const document = describe(error);
  const body = () => JSON.stringify(document);
  const { trace = [] } = document;
  while (trace.length > 0 && Buffer.byteLength(body()) > bytes) trace.length = Math.floor(trace.length / 2);
  if (Buffer.byteLength(body()) > bytes) {
    // In JSON a character takes six bytes at most.
    const length = Math.floor(bytes / 16);
    document.errorType = document.errorType?.slice(0, length);
    document.errorMessage = document.errorMessage?.slice(0, length);
  }
  return { outcome: 'error', body: body(), errorType: document.errorType };
}

/** The error document for whatever function code threw. */
function describe(error) {
  try {
    if (types.isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: visible(error.name),
        errorMessage: visible(error.message),
        trace: visible(error.stack).split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of ' +
        'its message, name, and stack',
    };
  }
}

/** `error`, or an Error that says what it is. */
function asError(error) {
  return error instanceof Error ? error : new Error(error);
}

/** `error` as one line of JSON, with its own properties, as text logs show it. */
function format(error) {
  try {
    return '\t' + JSON.stringify(error, (_key, value) => (value instanceof Error ? properties(value) : value));
  } catch {
    return '\t' + JSON.stringify(describe(error));
  }
}

function properties(error) {
  const all = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === 'string') all.stack = error.stack.split('\n');
  return all;
}

function looksLikeError(value) {
  return ['name', 'message', 'stack'].every((key) => value?.[key] && typeof value[key] === 'string');
}

/** `text` without the one ASCII character that headers and viewers cannot show. */
function visible(text) {
  return text?.replace(/\x7f/g, '%7F');
}

module.exports = {
  ImportModuleError,
  HandlerNotFound,
  MalformedHandlerName,
  UserCodeSyntaxError,
  JSONStringifyError,
  InvalidStreamingOperation,
  MalformedStreamingHandler,
  UnhandledPromiseRejection,
  CallbackHandlerDeprecated,
  reply,
  replyWithin,
  asError,
  format,
};
