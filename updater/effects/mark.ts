/**
 * The marker. With its first one an activation begins: from then on a hold that
 * is begun does not keep it from its verdict. So holds are looked at once more
 * when all of it is written, before it has its name; windows, too, for staging
 * may have taken hours. Whoever writes `hold.json`,
 * then sees neither the marker nor a file that is to become it, knows that this
 * updater will see the hold: `policy/reach.ts`.
 *
 * A crash before the name leaves nothing but a temporary file.
 */
import { type Host, tryTo } from '../host.ts';
import type { Effect, Event } from '../machine.ts';
import { judgeSwitch } from '../policy/judge.ts';
import { keepInstall } from '../policy/keep.ts';

/** Writes the marker, and counts an install that begins with it. */
export function mark(
  host: Host,
  { marker, despiteHold, atAnyTime }: Effect & { kind: 'write-marker' },
): Event | undefined {
  const { config, store } = host;
  const { window } = config.probe;
  if (marker.phase !== 'prepared') {
    store.writeMarker(marker, window);
    return undefined;
  }
  const found: { decline?: ReturnType<typeof judgeSwitch> } = {};
  store.writeMarker(marker, window, () => {
    found.decline = judgeSwitch(host, marker.to.version, { despiteHold, atAnyTime });
    return found.decline !== undefined;
  });
  if (found.decline !== undefined) return { name: 'held', ...found.decline };
  // What begins is not undone for want of its count.
  tryTo(host, () => keepInstall(host));
  return { name: 'marked' };
}
