/** What `release.config.ts` imports. */
export { defineConfig, type ReleaseConfig } from './config.ts';
