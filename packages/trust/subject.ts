/** Whether a document that is well signed is about what it was asked for. */
import { TrustError } from './errors.ts';

/** What a document is about. */
export interface Subject {
  app: string;
  /** Undefined: any channel will do. */
  channel?: string | undefined;
}

/** Throws `TrustError` WRONG_APP, WRONG_CHANNEL. `name` is what the document is called: `manifest`. */
export function checkSubject(name: string, found: Subject, expected: Subject): void {
  if (found.app !== expected.app) {
    throw new TrustError(
      'WRONG_APP',
      `${name} is of another app: expected '${expected.app}', found '${found.app}'`,
      { hint: "check 'app' and the mirrors in the configuration: these mirrors carry another app" },
    );
  }
  if (expected.channel !== undefined && found.channel !== expected.channel) {
    throw new TrustError(
      'WRONG_CHANNEL',
      `${name} is of another channel: expected '${expected.channel}', found '${found.channel}'`,
      { hint: "check 'channel' in the configuration; a mirror that mixes up channels is broken" },
    );
  }
}
