/** `updater history`: what happened on this node, from the journal. */
import { type Command, formatTable } from '@landfall/cli';
import { openToLook } from './session.ts';

const DEFAULT_LIMIT = 20;

/** What became of a new updater, as the journal has it. One that is tried again by itself is no story. */
const UPDATER: Readonly<Record<string, string>> = {
  'took-over': 'updater took over',
  confirmed: 'updater confirmed',
  failed: 'updater stays out',
};

interface Row {
  at: string;
  what: string;
  version: string;
  reason: string;
}

/** `updater history`: the last lines of the journal that tell a story of their own, as a table. */
export const history: Command = {
  name: 'history',
  summary: 'show what happened on this node, newest last',
  options: {
    limit: { value: 'N', help: `lines to show; ${DEFAULT_LIMIT} unless told` },
  },
  run(context) {
    const { journal } = openToLook(context, new AbortController().signal);
    const limit = context.count('limit') ?? DEFAULT_LIMIT;
    const rows = journal.read().flatMap(toRow).slice(-limit);
    const cells = rows.map(({ at, what, version, reason }) => [at, what, version, reason]);
    context.result(
      rows,
      rows.length === 0 ? 'nothing yet' : formatTable(['TIME', 'WHAT', 'VERSION', 'REASON'], cells),
    );
  },
};

/** Journal lines that tell a story of their own; steps in between are left out. */
function toRow(line: Record<string, unknown>): Row[] {
  const text = (key: string): string => {
    const value = line[key];
    return typeof value === 'string' ? value : '';
  };
  const row = (what: string, version: string, reason: string): Row[] => [
    { at: text('at'), what, version, reason },
  ];
  if ('lifted' in line) return row('quarantine lifted', text('lifted'), 'by hand');
  if ('alarm' in line) return row(`alarm: ${text('alarm')}`, '', text('reason'));
  if ('mirrors' in line) return row(...mirrorsRow(line, text));
  if ('hold' in line) return row(`hold ${text('hold')}`, '', holdWords(line));
  if ('halt' in line) {
    const versions = Array.isArray(line['halted']) ? line['halted'].map(String) : [];
    return row('halted', versions.join(', ') || 'nothing', `serial ${String(line['halt'])}`);
  }
  if ('heal' in line) return row(...healRow(line, text));
  if ('golden' in line) {
    return row(line['golden'] === null ? 'golden unpinned' : 'golden pinned', text('version'), '');
  }
  if ('waiting' in line) {
    return row('waiting', text('waiting'), `until ${text('until')}: ${text('reason')}`);
  }
  if ('adopt' in line) return row(`adoption ${text('adopt')}`, text('version'), text('reason'));
  const updater = UPDATER[text('updater')];
  if (updater !== undefined) return row(updater, text('release'), text('reason'));
  if ('drift' in line) return row('changed by hand', '', text('drift'));
  if (!('event' in line)) return [];
  if (line['event'] === 'resumed') return row('resumed after a stop', text('version'), '');
  if (line['event'] === 'abandoned') return row('not staged', text('version'), text('reason'));
  const isUndone = line['event'] === 'failed' && line['next'] !== 'rolling-back';
  if (isUndone || line['event'] === 'held') {
    return row('not switched', text('version'), text('reason'));
  }
  if (line['event'] === 'service-failed' && line['state'] === line['next']) {
    return row('service gave up', text('version'), `'${text('service')}': ${text('reason')}`);
  }
  if (line['state'] === line['next']) return [];
  switch (line['next']) {
    case 'available':
    case 'staged':
    case 'pending-verification':
      return [];
    case 'probation':
    case 'committed':
      return row(text('next'), text('version'), reasonOfProof(line));
    default:
      return row(text('next'), text('version'), text('reason'));
  }
}

function mirrorsRow(
  line: Record<string, unknown>,
  text: (key: string) => string,
): [string, string, string] {
  if (line['mirrors'] === 'failing') return ['mirrors failing', '', text('reason')];
  return ['mirrors again', '', `none showed a release to believe since ${text('since')}`];
}

function holdWords({ reason, until, hold }: Record<string, unknown>): string {
  return hold === 'begun' ? `until ${String(until)}: ${String(reason)}` : String(reason);
}

function healRow(
  line: Record<string, unknown>,
  text: (key: string) => string,
): [string, string, string] {
  const version = text('version');
  const paths = Array.isArray(line['paths']) ? line['paths'].map(String).join(', ') : '';
  const count = String(line['count']);
  const aside = text('aside');
  switch (line['heal']) {
    case 'restored': {
      const kept = aside === '' ? '' : `; what was there is in ${aside}`;
      return ['restored', version, `${count} of its files: ${paths}${kept}`];
    }
    case 'moved aside':
      return ['moved aside', version, `${count} not of it, to ${aside}: ${paths}`];
    case 'removed':
      return ['removed', version, `${count} left by writes that were cut off: ${paths}`];
    case 'current':
      return ['current put back', version, text('reason')];
    case 'deployment':
      return ['fetched again', version, 'it was not on the disk any more'];
    default:
      return ['whole again', version, ''];
  }
}

function reasonOfProof({ outcome }: Record<string, unknown>): string {
  if (typeof outcome !== 'object' || outcome === null || !('reason' in outcome)) return '';
  return typeof outcome.reason === 'string' ? outcome.reason : '';
}
