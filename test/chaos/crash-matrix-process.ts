/**
 * Prints the crash matrix that a run of the chaos tests left in a folder:
 * `node test/chaos/crash-matrix-process.ts FOLDER`. Exit code 1 when an outcome
 * in it is bad.
 */
import { describeMatrix, readMatrix } from '../harness/crash-matrix.ts';

const rows = readMatrix(process.argv[2] ?? '');
process.stdout.write(`${describeMatrix(rows)}\n`);
if (rows.length === 0 || rows.some(({ bad }) => bad)) process.exitCode = 1;
