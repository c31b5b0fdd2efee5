'use strict';

// A module that ends the process while it is loaded.

process.exit(4);
