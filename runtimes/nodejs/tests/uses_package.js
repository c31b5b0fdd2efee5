'use strict';

const layer = require('layer');

exports.handler = async () => layer();
