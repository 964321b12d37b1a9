/** Stands for a round of `updater run` that begins and never ends: it tells its state folder's paths, and waits. */
import { writeSync } from 'node:fs';
import { REPORT_FD } from '../../updater/round-apart.ts';

const [root, state] = process.argv.slice(-2);
process.on('SIGTERM', () => {});
writeSync(REPORT_FD, `${JSON.stringify({ version: '0.0.0', root, state, checkIn: 1000 })}\n`);
setInterval(() => {}, 1000);
