'use strict';

// Everything that ends up in the log.

exports.levels = async () => {
  console.trace('a trace');
  console.debug('a debug');
  console.info('an info');
  console.log('a log');
  console.warn('a warning');
  console.error('an error');
};
exports.everyLevel = async () => {
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) console[level](level);
};
exports.formats = async () => {
  console.log('%s is %d', 'answer', 42, { a: 1 }, [2]);
  console.log('two\nlines');
};
exports.errors = async () => {
  console.error(new TypeError('logged'));
  console.error('with words', new RangeError('logged too'));
};
exports.values = async () => {
  console.log({ order: { id: 7 } });
  console.log(42);
  console.log('%s', 'formatted');
  const circular = {};
  circular.self = circular;
  console.log(circular);
};
exports.streams = async () => {
  process.stdout.write('to stdout\n');
  process.stderr.write('to stderr\n');
  process.stdout.write('no line end');
  return 'done';
};
exports.much = async () => {
  for (let i = 0; i < 2000; i++) console.log('line %d of many %s', i, 'x'.repeat(80));
};
