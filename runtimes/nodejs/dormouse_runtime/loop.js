'use strict';

/**
 * Init and the invoke loop: the client of the Lambda Runtime API 2018-06-01.
 *
 * Owns the order of things: prepare the process, load the handler, then next, handle, reply, for
 * ever. It is the only module that knows all the others. Everything on the path to the first
 * invoke is written for few and small modules, because loading them is most of what a cold start
 * adds to a bare interpreter. Runs on Node.js 18 and later.
 */

const { Connection } = require('./connection.js');
const errors = require('./errors.js');
const { installConsole, setInvocation } = require('./log.js');
const { loadHandler } = require('./handler.js');
const { Conversation } = require('./conversation.js');

/** Exit codes that Lambda's own runtime uses. */
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
/** Node.js's code for a module whose top-level await never ends. */
const EXIT_UNSETTLED_AWAIT = 13;

/** From Node.js 24 on, Lambda has no callback handlers and logs failed inits under another title. */
const FIRST_WITHOUT_CALLBACKS = 24;

/** Runs the environment until its process is ended. `require` is the one that loads the handler. */
function main(require) {
  const logError = installConsole(process.env);
  const connection = new Connection(process.env.AWS_LAMBDA_RUNTIME_API);
  const environment = new Environment(connection, logError);
  environment.watchProcess();
  environment.start(require);
}

class Environment {
  #connection;
  #logError;
  #callbacks = runtimeVersion(process.env) < FIRST_WITHOUT_CALLBACKS;
  /** The conversation in progress; null during init and between invocations. */
  #conversation = null;
  #initializing = true;
  #ending = false;

  constructor(connection, logError) {
    this.#connection = connection;
    this.#logError = logError;
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
      this.#conversation?.onIdle();
    });
  }

  async start(require) {
    let handler;
    try {
      handler = await loadHandler(require, process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
      if (!this.#callbacks && handler.length >= 3) throw new errors.CallbackHandlerDeprecated();
    } catch (error) {
      const title = this.#callbacks ? 'Uncaught Exception' : 'Init Error';
      this.#end(title, error, EXIT_UNCAUGHT_EXCEPTION);
      return;
    }
    this.#initializing = false;
    this.#serve(handler).catch((error) => this.#leave(error));
  }

  async #serve(handler) {
    let invocation = await this.#connection.next();
    for (;;) {
      setInvocation(invocation.requestId, invocation.tenantId);
      publishTrace(invocation.traceId);
      this.#conversation = new Conversation(invocation, this.#callbacks, this.#logError);
      const reply = await this.#conversation.run(handler);
      this.#conversation = null;
      invocation = await this.#connection.reply(invocation.requestId, reply);
    }
  }

  /** Reports `error` for what is in progress, then ends the process. */
  #end(title, error, exitCode) {
    this.#logError(title, error);
    if (this.#ending) return;
    this.#ending = true;
    const exit = () => process.exit(exitCode);
    const reply = errors.reply(error);
    if (this.#initializing) {
      this.#connection.postInitError(reply).then(exit, exit);
    } else if (this.#conversation) {
      this.#connection.postError(this.#conversation.requestId, reply).then(exit, exit);
    } else {
      // The reply is out already: nobody waits for this error.
      exit();
    }
  }

  /** The Runtime API is gone or refuses us: nothing can be reported to it. */
  #leave(error) {
    this.#logError('Runtime Error', error);
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

module.exports = { main };
