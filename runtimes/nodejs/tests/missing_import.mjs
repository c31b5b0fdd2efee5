// A module whose dependency was forgotten.

import nothing from 'a-package-that-nobody-has';

export const handler = async () => nothing;
