'use strict';

// Stands in for a package in the function's own node_modules.

module.exports = () => 'from node_modules';
