'use strict';

// Handlers that fail, in every way that a handler can.

class OwnError extends Error {
  constructor(message) {
    super(message);
    this.name = 'OwnError';
    this.code = 'E_OWN';
    this.details = { attempts: 3 };
  }
}

exports.rejects = async () => {
  throw new TypeError('boom');
};
exports.ownError = async () => {
  throw new OwnError('mine');
};
exports.throwsText = async () => {
  throw 'just text';
};
exports.throwsNumber = async () => {
  throw 42;
};
exports.throwsObject = async () => {
  throw { message: 'not an error' };
};
exports.throwsNothing = async () => {
  throw undefined;
};
exports.throwsLookalike = async () => {
  throw { name: 'Lookalike', message: 'almost', stack: 'Lookalike: almost\n    at nowhere' };
};
exports.throwsUnreadable = async () => {
  const error = new Error('x');
  Object.defineProperty(error, 'message', { get: () => { throw new Error('no'); } });
  throw error;
};
exports.reference = async () => missing;
exports.deep = async () => {
  const inner = () => {
    throw new Error('deep');
  };
  return inner();
};
exports.failsOnce = async (event) => {
  if (event.fail) throw new Error('asked to');
  return 'fine';
};
exports.uncaught = () =>
  new Promise(() => {
    setTimeout(() => {
      throw new RangeError('in a timer');
    }, 5);
  });
exports.unhandled = async () => {
  Promise.reject(new Error('nobody looks'));
  await new Promise((resolve) => setTimeout(resolve, 1000));
};
exports.exits = async () => process.exit(3);
exports.exitsCleanly = async () => process.exit(0);
exports.killed = async () => {
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => setTimeout(() => {}, 1000));
};
