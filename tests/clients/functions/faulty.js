// Node.js handlers that go wrong, each in its own way.
'use strict';

class TooHot extends Error {
  constructor(message) {
    super(message);
    this.name = 'TooHot';
  }
}

exports.raises = async () => {
  throw new TypeError('boom');
};

exports.ownError = async () => {
  throw new TooHot('by 3 degrees');
};

exports.exits = async (event) => {
  process.exit(event.status);
};

exports.rejects = async () => {
  Promise.reject(new Error('nobody looks'));
  await new Promise((resolve) => setTimeout(resolve, 1000));
};

exports.environment = async () => process.env;
