import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes, formatDuration, formatTable, parseDuration, parseTime } from '@landfall/cli';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../harness/temporary.ts';

const root = join(import.meta.dirname, '../../..');

const source = (name: string): string => JSON.stringify(join(root, 'packages', name, 'index.ts'));

/** Runs a small program of two commands in a process of its own. */
function run(...argv: string[]): { code: number | null; stdout: string; stderr: string } {
  const script = join(temporaryFolder(), 'program.mts');
  writeFileSync(
    script,
    `import { main } from ${source('cli')};
     import { OtaError } from ${source('errors')};
     process.exitCode = await main({
       name: 'tool', version: '1.2.3', summary: 'does things',
       options: { config: { value: 'FILE', help: 'configuration' } },
       commands: {
         echo: () => ({ name: 'echo', args: 'WORD…', arity: [1, 3], summary: 'says words',
           options: { times: { value: 'N', short: 'n', help: 'how often' } },
           run: (c) => { const times = c.count('times') ?? 1; c.note('working'); c.result({ words: c.positionals, times }, [...c.positionals]); } }),
         fail: async () => ({ name: 'fail', args: 'HOW', arity: [1, 1], summary: 'fails',
           run: (c) => {
             if (c.positionals[0] === 'gate') throw new OtaError('GATE', 'root is drwx------', { hint: 'chmod 755 it', exit: 3 });
             if (c.positionals[0] === 'system') throw Object.assign(new Error("ENOSPC: no space, write 'x'"), { code: 'ENOSPC' });
             if (c.positionals[0] === 'partial') return 4;
             throw new TypeError('oops\\n  in two lines');
           } }),
       },
     }, process.argv.slice(2));`,
  );
  const result = spawnSync(process.execPath, [script, ...argv], { encoding: 'utf8' });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

describe('main', () => {
  it('runs a command and keeps result and progress apart', () => {
    expect(run('echo', 'a', 'b')).toEqual({ code: 0, stdout: 'a\nb\n', stderr: 'working\n' });
  });

  it('prints one JSON value and no progress with --json', () => {
    const { code, stdout, stderr } = run('echo', 'a', '-n', '2', '--json');
    expect({ code, stderr, value: JSON.parse(stdout) }).toEqual({
      code: 0,
      stderr: '',
      value: { words: ['a'], times: 2 },
    });
  });

  it.each([
    [['what'], "unknown command 'what'", 'expected one of: echo, fail'],
    [['help', 'what'], "unknown command 'what'", 'expected one of: echo, fail'],
    [['echo'], 'expected WORD…, found 0 arguments', 'tool echo --help'],
    [['echo', 'a', '--loud'], "unknown option '--loud'", 'tool echo --help'],
    [
      ['echo', 'a', '--times', 'x'],
      "--times: expected a whole number of at least 1, found 'x'",
      'tool echo --help',
    ],
    [['echo', 'a', '--times', '0'], "found '0'", 'tool echo --help'],
  ])('exits 2 for %j', (argv, message, hint) => {
    const { code, stdout, stderr } = run(...argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')[0]).toContain(message);
    expect(stderr.split('\n')[1]).toContain(hint);
  });

  it('maps errors to exit codes, one line and a hint, without a stack', () => {
    expect(run('fail', 'gate')).toEqual({
      code: 3,
      stdout: '',
      stderr: 'error: root is drwx------\n  hint: chmod 755 it\n',
    });
    expect(run('fail', 'partial').code).toBe(4);
    const full = run('fail', 'system');
    expect(full.code).toBe(1);
    expect(full.stderr).toContain('no space left on the device');
    const bug = run('fail', 'bug');
    expect(bug.stderr.split('\n')).toHaveLength(3);
    expect(bug.stderr).toContain('error: oops; in two lines');
    expect(bug.stderr).not.toContain('    at ');
    expect(run('fail', 'bug', '--debug').stderr).toContain('    at ');
  });

  it('takes no option behind --', () => {
    const behind = ['--json', '--help', '-h'];
    expect(run('echo', '--', ...behind)).toMatchObject({
      code: 0,
      stdout: `${behind.join('\n')}\n`,
    });
    expect(run('fail', '--', '--json')).toMatchObject({ code: 1, stdout: '' });
    expect(run('fail', '--', '--debug').stderr).not.toContain('    at ');
    expect(run('echo', '--help', '--', 'a').stdout).toContain('--times');
  });

  it('prints errors as JSON with --json', () => {
    const { code, stdout } = run('fail', 'gate', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'GATE', message: 'root is drwx------', hint: 'chmod 755 it' },
    });
  });

  it('shows help for the program and for a command', () => {
    const program = run('--help');
    expect(program.code).toBe(0);
    expect(program.stdout).toContain('echo WORD…  says words');
    expect(run('echo', '--help').stdout).toContain('-n, --times N');
    expect(run('help', 'echo').stdout).toBe(run('echo', '--help').stdout);
    expect(run('help', '--json')).toEqual(program);
    expect(run().code).toBe(2);
    expect(run('--version').stdout).toBe('1.2.3\n');
  });
});

describe('a program as a process', () => {
  /** A program whose one command says so often a word, if any, and prints; and ends as told. */
  function talker(lines: number, code: number, word = ''): string {
    const script = join(temporaryFolder(), 'program.mts');
    writeFileSync(
      script,
      `import { setTimeout } from 'node:timers/promises';
       import { runAsProcess } from ${source('cli')};
       void runAsProcess({
         name: 'tool', version: '1.2.3', summary: 'does things', options: {},
         commands: { talk: () => ({ name: 'talk', summary: 'talks', options: {},
           run: async (c) => {
             for (let line = 0; line < ${lines}; line += 1) {
               if ('${word}') c.note('${word}');
               c.result(line, 'x'.repeat(10_000));
               await setTimeout(1);
             }
             return ${code};
           } }) },
       });`,
    );
    return `${process.execPath} ${script} talk`;
  }

  it('goes on when nobody listens, and says nothing of it', () => {
    const line = `{ ${talker(200, 4)}; echo "ended with $?" >&2; } | head -c 10`;
    const result = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
    expect(result).toMatchObject({ status: 0, stdout: 'x'.repeat(10), stderr: 'ended with 4\n' });
  });

  it('goes on when the disk of its log is full', () => {
    const line = `${talker(2, 0, 'at it')} 2>/dev/full`;
    const result = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
    expect(result).toMatchObject({ status: 0, stdout: `${'x'.repeat(10_000)}\n`.repeat(2) });
  });

  it('goes on when its result finds no room, and fails with one line at the end', () => {
    const told = 'at it\nerror: cannot write the output: no space left on the device\nat it\n';
    for (const [code, status] of [
      [0, 1],
      [4, 4],
    ] as const) {
      const line = `${talker(2, code, 'at it')} >/dev/full`;
      const result = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
      expect(result).toMatchObject({ status, stderr: told });
    }
  });
});

describe('formats', () => {
  it('writes sizes and durations as people read them', () => {
    expect([0, 1023, 1024, 1536, 10 * 1024 ** 2, 3 * 1024 ** 3].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '10 MiB',
      '3.0 GiB',
    ]);
    expect([340, 4200, 60_000, 185_000, 7_800_000, 273_600_000].map(formatDuration)).toEqual([
      '340 ms',
      '4.2 s',
      '1 min',
      '3 min 5 s',
      '2 h 10 min',
      '3 d 4 h',
    ]);
  });

  it('reads durations as people write them', () => {
    expect(['90s', '10m', '2h', '1d', '500ms', '0s'].map(parseDuration)).toEqual([
      90_000, 600_000, 7_200_000, 86_400_000, 500, 0,
    ]);
    expect(['', '90', 's', '-1s', '1.5h', '1 h', '1w'].map(parseDuration)).toEqual(
      Array(7).fill(undefined),
    );
  });

  it('reads times, and none of a day that is not in the calendar', () => {
    const noon = Date.UTC(2028, 1, 29, 12);
    const told = [
      '2028-02-29T12:00Z',
      '2028-02-29 12:00:00.000Z',
      '2028-02-29T14:00+02:00',
      '2028-02-29T14:00:00+0200',
    ];
    expect(told.map(parseTime)).toEqual([noon, noon, noon, noon]);
    expect(parseTime('2028-02-29T12:00')).toBe(new Date(2028, 1, 29, 12).getTime());
    expect(parseTime('2028-02-28T24:00Z')).toBe(noon - 12 * 3_600_000);
    const wrong = ['2026-11-31T10:00Z', '2026-02-29T10:00', '2026-04-22T25:00Z', '2026-04-22', '5'];
    expect([...wrong, 'tomorrow', 'Nov 30 2026 10:00', ''].map(parseTime)).toEqual(
      Array(8).fill(undefined),
    );
  });

  it('aligns tables', () => {
    expect(
      formatTable(
        ['name', 'v'],
        [
          ['a', '1.0.0'],
          ['longer', '2'],
        ],
      ),
    ).toEqual(['name    v', 'a       1.0.0', 'longer  2']);
  });
});
