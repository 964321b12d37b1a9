/** Folders of a deployment that is being made. Nothing is synced: its tree is, as a whole. */
import { chmodSync, mkdirSync } from 'node:fs';

/** Makes a folder with the mode that everything of a release has, whatever the umask. */
export function makeFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}
