/** This program's version: what `requires.updater` of a manifest is compared with. */
import meta from './package.json' with { type: 'json' };

/** The version that `updater/package.json` gives this program. */
export const UPDATER_VERSION: string = meta.version;
