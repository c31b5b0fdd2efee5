'use strict';

// A module whose own code fails.

throw new RangeError('no configuration');
