'use strict';

exports.handler = async () => 'from cjs';
