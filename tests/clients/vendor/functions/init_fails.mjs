// Cannot be loaded.

throw new Error('no configuration');
