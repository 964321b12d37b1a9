/** `updater licences`: the licences of what the single executable is made of, which asks for them to come along. */
import { getAsset, isSea } from 'node:sea';
import type { Command } from '@landfall/cli';

/** Built in by `npm run build:updater`. */
const ASSET = 'licences.txt';

/** `updater licences`: prints what the build put in; where nothing was, it says so. */
export const licences: Command = {
  name: 'licences',
  summary: 'print the licences of all that is built into this program',
  run(context) {
    const text = isSea() ? getAsset(ASSET, 'utf8') : undefined;
    context.result(
      { licences: text ?? null },
      text ?? 'nothing is built in: packages stand in node_modules, each with its licence',
    );
  },
};
