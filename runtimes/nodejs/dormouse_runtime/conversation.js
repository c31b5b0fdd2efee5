'use strict';

/**
 * One invocation: calls the handler and decides when and how it has ended.
 *
 * A handler ends by a promise, by its callback, by `context.done` and its kin, or by leaving the
 * event loop empty. The first of them that counts makes the reply; later ones are ignored. It
 * knows nothing of HTTP: `run` resolves with the reply. Function code may call in at any time,
 * also after the end. Handlers that stream have a course of their own, in `streaming.js`.
 */

const errors = require('./errors.js');

class Conversation {
  #invocation;
  #connection;
  #settings;
  #resolve;
  #ended = false;
  /** What an empty event loop means at this point, as a function; see `onIdle`. */
  #whenIdle = null;

  /**
   * `settings` has `callbacks`, whether handlers may answer by callback; `traceInContext`, whether
   * the context names the trace; and `logError`.
   */
  constructor(invocation, connection, settings) {
    this.#invocation = invocation;
    this.#connection = connection;
    this.#settings = settings;
  }

  /** Calls `handler` once; resolves with the reply, never rejects. */
  run(handler) {
    // The handler is not called from the promise's executor: each frame here is one that the
    // stack traces of function code lose.
    const reply = new Promise((resolve) => (this.#resolve = resolve));
    // A handler that reports nothing and leaves nothing to wait for has returned null.
    this.#whenIdle = () => this.#succeed(null);
    if (this.#settings.callbacks) this.#callWithCallback(handler);
    else this.#callPlainly(handler);
    return reply;
  }

  /** The event loop is empty: nothing that function code started is left to happen. */
  onIdle() {
    const action = this.#whenIdle;
    this.#whenIdle = null;
    action?.();
  }

  /** Reports `error`, which escaped from function code; resolves once the platform has it. */
  report(error) {
    return this.#connection.postError(this.#invocation.requestId, errors.reply(error));
  }

  #callWithCallback(handler) {
    const context = this.#callbackContext();
    const callback = once((error, result) => {
      this.#whenIdle = null;
      if (error !== undefined && error !== null) this.#fail(error);
      else if (!context.callbackWaitsForEmptyEventLoop) this.#succeed(result);
      else this.#whenIdle = () => setImmediate(() => this.#succeed(result));
    });
    try {
      Object.assign(context, invocationFacts(this.#invocation, this.#settings));
      const result = handler(JSON.parse(this.#invocation.body), context, callback);
      // What a handler returns counts only if it is a promise.
      if (isPromise(result)) result.then(context.succeed, context.fail).catch(context.fail);
    } catch (error) {
      callback(error);
    }
  }

  #callPlainly(handler) {
    try {
      const facts = invocationFacts(this.#invocation, this.#settings);
      const result = handler(JSON.parse(this.#invocation.body), facts);
      if (isPromise(result)) result.then((value) => this.#succeed(value), (error) => this.#fail(error));
      else this.#succeed(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  #callbackContext() {
    const done = (error, result) => {
      if (error !== undefined && error !== null) this.#fail(error);
      else this.#succeed(result);
    };
    return {
      callbackWaitsForEmptyEventLoop: true,
      succeed: once((result) => done(null, result)),
      fail: once((error) => done(error ?? 'handled')),
      done: once(done),
    };
  }

  #succeed(result) {
    let body;
    try {
      // A function or a symbol has no JSON; JSON.stringify says so with undefined.
      body = JSON.stringify(result === undefined ? null : result) ?? 'null';
    } catch {
      const failure = 'Unable to stringify response body';
      this.#fail(this.#settings.callbacks ? new Error(failure) : new errors.JSONStringifyError(failure));
      return;
    }
    this.#end(() => ({ outcome: 'response', body }));
  }

  #fail(error) {
    this.#end(() => {
      this.#settings.logError('Invoke Error', error);
      return errors.reply(error);
    });
  }

  #end(makeReply) {
    if (this.#ended) return;
    this.#ended = true;
    this.#whenIdle = null;
    this.#resolve(makeReply());
  }
}

/** The part of the context object that describes invocation, function and environment. */
function invocationFacts(invocation, { traceInContext }) {
  const environ = process.env;
  const facts = {
    functionVersion: environ.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environ.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environ.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environ.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environ.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(invocation.clientContext, 'ClientContext'),
    identity: parseHeader(invocation.cognitoIdentity, 'CognitoIdentity'),
    invokedFunctionArn: invocation.functionArn,
    awsRequestId: invocation.requestId,
    tenantId: invocation.tenantId,
    getRemainingTimeInMillis: () => invocation.deadlineMs - Date.now(),
  };
  if (traceInContext) facts.xRayTraceId = invocation.traceId;
  return facts;
}

function parseHeader(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

function isPromise(value) {
  return typeof value?.then === 'function';
}

/** `action`, of which only the first call has an effect. */
function once(action) {
  let called = false;
  return (...args) => {
    if (called) return;
    called = true;
    action(...args);
  };
}

module.exports = { Conversation, invocationFacts, isPromise };
