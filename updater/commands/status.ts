/** `updater status`: one screen. Asks nobody: it tells what is known here. */
import type { Command } from '@landfall/cli';
import { fit, toScreen } from '../status/screen.ts';
import { readStatus } from '../status/view.ts';
import { openToLook } from './session.ts';

/** As much as fits a screen that nobody made narrower. */
const LEAST_COLUMNS = 60;

/** `updater status`: what is known here, with one piece of advice. Changes nothing. */
export const status: Command = {
  name: 'status',
  summary:
    'show what runs, since when, verified how, and what stands in the way of the next release',
  details: [
    'The last line says what to do. --json tells everything, also what a screen leaves out.',
  ],
  run(context) {
    const view = readStatus(openToLook(context, new AbortController().signal));
    const lines = toScreen(view, new Date());
    const { isTTY, columns } = process.stdout;
    context.result(view, isTTY ? fit(lines, Math.max(LEAST_COLUMNS, columns)) : lines);
  },
};
