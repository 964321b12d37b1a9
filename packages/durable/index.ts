/**
 * Files that survive a crash. Everything but the sync of a tree, which waits
 * for a program, is synchronous on purpose: one thread, one order of operations, and a
 * failed fsync ends the step (a retry of fsync may report success for data that
 * is already lost).
 */
export { DurableError } from './errors.ts';
export { copyFileDurably } from './copy.ts';
export {
  createFileDurably,
  isBeingWritten,
  isTemporaryName,
  makeDirectoryDurably,
  removeDurably,
  removeAllTemporaries,
  renameDurably,
  replaceSymlinkDurably,
  syncDirectory,
  syncFile,
  writeFileDurably,
  writeFileLoosely,
} from './files.ts';
export { type JsonFile, preserveCorruptFile, readJsonFile } from './json-file.ts';
export { Journal } from './journal.ts';
export { acquireLock, type Lock, type LockHolder, readLock } from './lock.ts';
export { syncTree, TreeSync } from './sync-tree.ts';
