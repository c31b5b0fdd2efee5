// A module whose top-level await never ends.

await new Promise(() => {});

export const handler = async () => 1;
