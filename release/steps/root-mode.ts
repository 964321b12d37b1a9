/** The mode of an archive's root as any lenient reader sees it: for messages about archives that are refused. */
import { modeString } from '@landfall/archive';
import { list } from 'tar';

/** `drwx------`, or undefined when no root entry can be found. Reads no further than needed to find it. */
export async function rootModeOf(path: string): Promise<string | undefined> {
  let root: string | undefined;
  try {
    await list({
      file: path,
      onReadEntry: (entry) => {
        if (/^(\.\/?|\.\/\.\/?)$/.test(entry.path) && entry.type === 'Directory') {
          root ??= modeString('directory', entry.mode ?? 0);
        }
      },
    });
  } catch {
    // What it is refused for has been said; this is only more to show.
  }
  return root;
}
