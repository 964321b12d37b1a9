/** `updater check`: what the mirrors offer, and what this node would do about it. */
import type { Command } from '@landfall/cli';
import { refuseCorrupt } from '../corrupt.ts';
import { judgeMirrors, type Judgement } from '../judgement.ts';
import { refuseUnfinishedAdoption } from '../records/adoption-file.ts';
import { openToLook, untilToldToStop } from './session.ts';
import { declineLines, exitOfDecline, haltedWords } from './words.ts';

/** `updater check`: asks the mirrors, and tells this node's verdict. Writes nothing down. */
export const check: Command = {
  name: 'check',
  summary: 'show what is available and why it would or would not be installed',
  details: [
    'Changes nothing. Exit code 0: up to date, it would be installed, or only time is missing; 3: it would be refused.',
  ],
  async run(context) {
    const judgement = await untilToldToStop((signal) => {
      const host = openToLook(context, signal);
      refuseCorrupt(host);
      refuseUnfinishedAdoption(host.paths);
      return judgeMirrors(host, {});
    });
    const { offer, decline, problems, warnings, halted } = judgement;
    context.result(
      {
        version: offer?.deployment.version ?? null,
        sequence: offer?.deployment.sequence ?? null,
        wouldInstall: decline === undefined,
        decline: decline ?? null,
        halted: halted ?? null,
        mirrors: problems,
        warnings,
      },
      toLines(judgement),
    );
    return decline === undefined ? undefined : exitOfDecline(decline);
  },
};

function toLines({ offer, decline, halted }: Judgement): string[] {
  const paused = halted === undefined ? [] : [haltedWords(halted)];
  if (decline?.code === 'up-to-date') return [decline.reason, ...paused];
  const lines = decline === undefined ? ['it would be installed'] : declineLines(decline);
  lines.push(...paused);
  if (offer === undefined) return lines;
  const { version, sequence } = offer.deployment;
  return [`available: ${version} (sequence ${sequence})`, ...lines];
}
