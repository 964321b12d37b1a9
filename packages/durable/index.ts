/**
 * Files that survive a crash. Everything is synchronous on purpose: one
 * thread, one order of operations, and a failed fsync ends the step (a retry
 * of fsync may report success for data that is already lost).
 */
export { DurableError } from './errors.ts';
export { copyFileDurably } from './copy.ts';
export {
  isTemporaryName,
  makeDirectoryDurably,
  removeDurably,
  removeAllTemporaries,
  renameDurably,
  replaceSymlinkDurably,
  syncDirectory,
  syncFile,
  syncTree,
  writeFileDurably,
} from './files.ts';
export { type JsonFile, preserveCorruptFile, readJsonFile } from './json-file.ts';
export { Journal } from './journal.ts';
export { acquireLock, type Lock, type LockHolder, readLock } from './lock.ts';
