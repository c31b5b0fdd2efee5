'use strict';

exports.handler = async () => {
  const = 1;
};
