/** Its name alone, for those who need not read it. */
export const CONFIG_FILE = 'release.config.ts';
