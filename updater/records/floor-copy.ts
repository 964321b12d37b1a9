/**
 * A second copy of the floor, in `root` beside what runs. The state folder is
 * what backups restore and what people delete when they begin anew; without
 * the copy an old `floor.json` would let every manifest in that was signed
 * since. It is written after `floor.json`, so a copy that knows more is a
 * state folder that went back, not a crash.
 *
 * It only ever helps: a copy that is not there, makes no sense or cannot be
 * written is none.
 */
import { readJsonFile } from '@landfall/durable';
import { OtaError } from '@landfall/errors';
import {
  findFloor,
  type FloorEntry,
  type FloorFile,
  floorFileSchema,
  NO_FLOORS,
  withFloor,
  withSignedTime,
  writeFloorFile,
} from './floor-file.ts';

/** The copy at `path`; undefined without one that can be read. */
export function readFloorCopy(path: string): FloorFile | undefined {
  try {
    const file = readJsonFile(path, floorFileSchema);
    return file.state === 'ok' ? file.value : undefined;
  } catch (error) {
    if (error instanceof OtaError) return undefined;
    throw error;
  }
}

/** Writes the copy, if the disk lets it be. */
export function writeFloorCopy(path: string, file: FloorFile): void {
  try {
    writeFloorFile(path, file);
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
  }
}

/**
 * `own` (`floor.json`; undefined when it is not there) with what only the copy
 * still knows, and in words what that was. `went`: undefined when nothing was lost.
 */
export function mergeFloors(
  own: FloorFile | undefined,
  copy: FloorFile | undefined,
): { file: FloorFile; went?: string } {
  const file = own ?? NO_FLOORS;
  if (copy === undefined) return { file };
  const ahead = copy.floors.filter((each) => isAhead(each, findFloor(file, each.app, each.index)));
  if (ahead.length === 0) return { file };
  const floors = ahead.reduce(withFloor, file);
  const merged = copy.time === undefined ? floors : withSignedTime(floors, copy.time);
  const words = ahead.map(({ app, index, channel, sequence }) => {
    const found = findFloor(file, app, index)?.sequence ?? 'none';
    return `sequence ${sequence} of channel '${channel}', found ${found}`;
  });
  return { file: merged, went: `expected ${words.join('; ')}` };
}

/** A floor that root keys put lower is not raised again by what was there before. */
function isAhead(copied: FloorEntry, own: FloorEntry | undefined): boolean {
  if (own === undefined) return true;
  const steps = (copied.root ?? 0) - (own.root ?? 0);
  return steps === 0 ? copied.sequence > own.sequence : steps > 0;
}
