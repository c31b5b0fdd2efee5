'use strict';

/**
 * Init and the invoke loop: the client of the Lambda Runtime API 2018-06-01.
 *
 * Owns the order of things: prepare the process, load the handler, then next, handle, reply, for
 * ever. Where the platform sends several invocations at once (AWS_LAMBDA_MAX_CONCURRENCY), that
 * many of these loops share the event loop, each with a connection of its own. It is the only
 * module that knows all the others. Everything on the path to the first invoke is written for few
 * and small modules, because loading them is most of what a cold start adds to a bare
 * interpreter. Runs on Node.js 18 and later.
 */

const { Connection } = require('./connection.js');
const errors = require('./errors.js');
const { Current, installGlobal, streamingOptions } = require('./globals.js');
const { installConsole } = require('./log.js');
const { loadHandler } = require('./handler.js');
const { Conversation } = require('./conversation.js');

/** Exit codes that Lambda's own runtime uses. */
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
/** Node.js's code for a module whose top-level await never ends. */
const EXIT_UNSETTLED_AWAIT = 13;

/**
 * From Node.js 24 on, Lambda has no callback handlers, names the trace in the context, and words
 * two things in the log otherwise.
 */
const FIRST_WITHOUT_CALLBACKS = 24;

/** Each loop holds a descriptor, of which an environment has 1,024. */
const LOOPS_MAX = 512;

/** Runs the environment until its process is ended. `require` is the one that loads the handler. */
function main(require) {
  const version = runtimeVersion(process.env);
  const concurrency = maxConcurrency(process.env);
  const modern = version >= FIRST_WITHOUT_CALLBACKS;
  const current = new Current(concurrency !== null, modern || concurrency ? '-' : undefined);
  const settings = {
    version,
    concurrency,
    callbacks: !modern && !concurrency,
    traceInContext: modern || concurrency !== null,
    initErrorTitle: modern ? 'Init Error' : 'Uncaught Exception',
    logError: installConsole(process.env, current),
  };
  installGlobal(process.env, current);
  const environment = new Environment(settings, current);
  environment.watchProcess();
  environment.start(require);
}

class Environment {
  #settings;
  #current;
  #connection = new Connection(process.env.AWS_LAMBDA_RUNTIME_API);
  /** The invocations in progress: none during init, at most one unless several may run at once. */
  #conversations = new Set();
  #initializing = true;
  #ending = false;

  constructor(settings, current) {
    this.#settings = settings;
    this.#current = current;
  }

  /** Turns what escapes from function code into error reports. */
  watchProcess() {
    process.on('uncaughtException', (error) => {
      this.#end('Uncaught Exception', error, EXIT_UNCAUGHT_EXCEPTION);
    });
    process.on('unhandledRejection', (reason, promise) => {
      const error = new errors.UnhandledPromiseRejection(reason, promise);
      this.#end('Unhandled Promise Rejection', error, EXIT_UNHANDLED_REJECTION);
    });
    process.on('beforeExit', () => {
      if (this.#initializing) process.exit(EXIT_UNSETTLED_AWAIT);
      for (const conversation of this.#conversations) conversation.onIdle();
    });
  }

  async start(require) {
    const { version, callbacks, concurrency, initErrorTitle } = this.#settings;
    let handler;
    let streaming;
    try {
      handler = await loadHandler(require, process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
      streaming = streamingOptions(handler);
      if (!callbacks && !streaming && handler.length >= 3) throw new errors.CallbackHandlerDeprecated(version);
    } catch (error) {
      this.#end(initErrorTitle, error, EXIT_UNCAUGHT_EXCEPTION);
      return;
    }
    this.#initializing = false;
    const connections = [this.#connection];
    while (connections.length < concurrency) connections.push(new Connection(process.env.AWS_LAMBDA_RUNTIME_API));
    for (const connection of connections) {
      const converse = this.#conversationMaker(connection, streaming);
      this.#serve(connection, handler, converse).catch((error) => this.#leave(error));
    }
  }

  #conversationMaker(connection, streaming) {
    if (!streaming) return (invocation) => new Conversation(invocation, connection, this.#settings);
    const { StreamingConversation } = require('./streaming.js');
    return (invocation) => new StreamingConversation(invocation, connection, this.#settings, streaming);
  }

  async #serve(connection, handler, converse) {
    let invocation = await connection.next();
    for (;;) {
      this.#current.enter(invocation);
      if (!this.#settings.concurrency) publishTrace(invocation.traceId);
      const conversation = converse(invocation);
      this.#conversations.add(conversation);
      const reply = await conversation.run(handler);
      this.#conversations.delete(conversation);
      const { requestId } = invocation;
      invocation = reply.outcome === 'streamed' ? await connection.next() : await connection.reply(requestId, reply);
    }
  }

  /** Reports `error` for what is in progress, then ends the process. */
  #end(title, error, exitCode) {
    this.#settings.logError(title, error);
    if (this.#ending) return;
    this.#ending = true;
    const exit = () => process.exit(exitCode);
    if (this.#initializing) {
      this.#connection.postInitError(errors.reply(error)).then(exit, exit);
      return;
    }
    // None is in progress if all replies are out already: nobody waits for this error.
    const reports = [...this.#conversations].map((conversation) => conversation.report(error));
    Promise.allSettled(reports).then(exit);
  }

  /** The Runtime API is gone or refuses us: nothing can be reported to it. */
  #leave(error) {
    this.#settings.logError('Runtime Error', error);
    process.exit(1);
  }
}

function publishTrace(traceId) {
  if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
  else delete process.env._X_AMZN_TRACE_ID;
}

/** The major version that the function asked for, which may differ from the interpreter's. */
function runtimeVersion(environ) {
  const asked = /^AWS_Lambda_nodejs(\d+)/.exec(environ.AWS_EXECUTION_ENV ?? '');
  return Number(asked ? asked[1] : process.versions.node.split('.')[0]);
}

/** How many invocations may run at once; null where the platform sends one after the other. */
function maxConcurrency(environ) {
  if (environ.AWS_LAMBDA_MAX_CONCURRENCY === undefined) return null;
  return Math.min(LOOPS_MAX, Math.max(1, parseInt(environ.AWS_LAMBDA_MAX_CONCURRENCY, 10) || 1));
}

module.exports = { main };
