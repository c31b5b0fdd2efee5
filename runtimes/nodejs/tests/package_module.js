// An ES module by virtue of the package.json beside it.

export const handler = async () => import.meta.url.endsWith('.js');
