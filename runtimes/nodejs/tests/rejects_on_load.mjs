// A module whose top-level await rejects.

await Promise.reject(new RangeError('no configuration'));

export const handler = async () => 1;
