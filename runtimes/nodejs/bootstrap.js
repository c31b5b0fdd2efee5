'use strict';

/**
 * Entry point of the Node.js runtime: what the execution environment starts.
 *
 * Hands its own `require` on, so that a missing module's "Require stack" names this file and no
 * more of the runtime's inside.
 */

require('./dormouse_runtime/loop.js').main(require);
