/**
 * `updater self-check`: whether this program can do its work on this node. The
 * updater that runs asks the one that comes, and hands over only to one that
 * answers. Changes nothing: what it rehearses, it rehearses beside the state.
 */
import type { Command } from '@landfall/cli';
import { hashFile } from '../deployments.ts';
import { UpdaterError } from '../errors.ts';
import { lookAtMirrors } from '../mirrors.ts';
import { ownProgram } from '../own-program.ts';
import { findFloor } from '../records/floor-file.ts';
import { indexOf } from '../offer.ts';
import { knowledgeOf, type SelfCheck } from '../self/knowledge.ts';
import { rehearse } from '../self/rehearsal.ts';
import { refuseCorrupt } from '../corrupt.ts';
import { UPDATER_VERSION } from '../version.ts';
import { openToLook, untilToldToStop } from './session.ts';

/** `updater self-check`: answers as `selfCheckSchema` says, or fails with what is in the way. */
export const selfCheck: Command = {
  name: 'self-check',
  summary: 'prove that this program can read the state, reach the mirrors, and go forward and back',
  options: {
    challenge: { value: 'TEXT', help: 'repeated in the answer, so that it is an answer' },
  },
  details: [
    'Run by the updater that is in place before it hands over to a new one. Rehearses an update and a',
    'rollback in a folder of its own below the state folder, which it removes again.',
    'Exit code 0: it can; any other: it cannot, and says what stands in the way.',
  ],
  async run(context) {
    const answer = await untilToldToStop(async (signal): Promise<SelfCheck> => {
      const host = openToLook(context, signal);
      refuseCorrupt(host);
      // Before the look: a root document that is seen in it may put the floor elsewhere, and nobody keeps it here.
      const knowledge = knowledgeOf(host);
      const { newest } = await lookAtMirrors(host);
      if ('code' in newest) {
        const { reason, hint } = newest;
        throw new UpdaterError('NO_MANIFEST', reason, hint === undefined ? {} : { hint });
      }
      const { version, sequence } = newest.manifest;
      const { config, store } = host;
      const floor = findFloor(store.floors, config.app, indexOf(config))?.sequence ?? 0;
      if (sequence < floor) {
        throw new UpdaterError(
          'NO_MANIFEST',
          `the mirrors show sequence ${sequence}, expected at least ${floor}`,
          { hint: "'updater check' tells what the mirrors show" },
        );
      }
      await rehearse(host);
      return {
        selfCheck: 1,
        challenge: context.text('challenge') ?? '',
        version: UPDATER_VERSION,
        program: hashFile(ownProgram().at(-1) ?? process.execPath),
        knowledge,
        newest: { version, sequence },
        rehearsal: { forward: true, back: true },
      };
    });
    const { newest, knowledge } = answer;
    context.result(answer, [
      `this is updater ${answer.version}`,
      `reads the state: ${knowledge.state}, ${knowledge.deployments.length} deployments`,
      `reaches the mirrors: they show ${newest.version}, sequence ${newest.sequence}`,
      'goes forward and back: rehearsed',
    ]);
  },
};
