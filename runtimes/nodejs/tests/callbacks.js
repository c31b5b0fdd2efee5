'use strict';

// Handlers that end by callback or by the context's methods.

exports.callback = (event, context, callback) => callback(null, { got: event });
exports.callbackLater = (event, context, callback) => setTimeout(() => callback(null, 'later'), 5);
exports.callbackError = (event, context, callback) => callback(new RangeError('too far'));
exports.callbackText = (event, context, callback) => callback('just text');
exports.callbackObject = (event, context, callback) => callback({ code: 1 });
exports.callbackNothing = (event, context, callback) => callback();

exports.waitsForLoop = (event, context, callback) => {
  setTimeout(() => console.log('the loop was drained'), 30);
  callback(null, 'after the loop');
};

exports.doesNotWait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60000);
  callback(null, 'at once');
};

exports.twice = (event, context, callback) => {
  callback(null, 'first');
  callback(null, 'second');
};

exports.callbackThenThrow = (event, context, callback) => {
  callback(null, 'answered');
  throw new Error('too late');
};

exports.throwsAtOnce = (event, context, callback) => {
  throw new Error('before the callback');
};

exports.neverCalls = (event, context, callback) => {
  setTimeout(() => console.log('worked for nothing'), 5);
};

exports.done = (event, context) => context.done(null, 'done');
exports.doneError = (event, context) => context.done(new Error('done badly'));
exports.succeed = (event, context) => context.succeed({ ok: true });
exports.fail = (event, context) => context.fail(new TypeError('failed'));
exports.failNothing = (event, context) => context.fail();

exports.succeedDoesNotWait = (event, context) => {
  setTimeout(() => {}, 60000);
  context.succeed('at once');
};

exports.asyncAndCallback = async (event, context, callback) => {
  setTimeout(() => callback(null, 'from the callback'), 5);
  return 'from the promise';
};
