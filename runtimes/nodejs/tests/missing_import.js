'use strict';

// A module whose dependency was forgotten.

exports.handler = require('a-package-that-nobody-has');
