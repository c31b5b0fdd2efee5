// An ES module with top-level await.

import { readFileSync } from 'node:fs';

const ready = await new Promise((resolve) => setTimeout(resolve, 5, 'awaited'));

export const handler = async () => ({ ready, self: readFileSync(new URL(import.meta.url)).length > 0 });
export const inner = { handler: async () => 'inner' };
export default { handler: async () => 'default' };
