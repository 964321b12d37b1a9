/** What a node takes for the memory it may still use, out of what a kernel says. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { availableMemory } from '../../../updater/effects/memory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MIB = 1024 * 1024;
const MEMINFO = 'MemTotal:  999999 kB\nMemFree:  1 kB\nMemAvailable:   204800 kB\n';
const V2 = { groups: '0::/system.slice/updater.service\n', limit: 'system.slice/memory' };

/** What is told by a kernel with these files. */
function told(files: Readonly<Record<string, string>>): number | undefined {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const [meminfo, ownGroups] = [join(folder, 'meminfo'), join(folder, 'cgroup')];
  return availableMemory({ meminfo, ownGroups, groups: folder });
}

it('is that of the machine, or less where a group has less', () => {
  expect(told({ meminfo: MEMINFO })).toBe(200 * MIB);
  const group = {
    meminfo: MEMINFO,
    cgroup: `4:memory:/other\n${V2.groups}`,
    [`${V2.limit}.max`]: `${150 * MIB}\n`,
    [`${V2.limit}.current`]: `${100 * MIB}\n`,
    // A group within it that has no limit.
    'system.slice/updater.service/memory.max': 'max\n',
    'system.slice/updater.service/memory.current': '5\n',
  };
  expect(told(group)).toBe(50 * MIB);
  const stat = `anon 7\ninactive_file ${30 * MIB}\nactive_file 9\n`;
  expect(told({ ...group, [`${V2.limit}.stat`]: stat })).toBe(80 * MIB);
  expect(told({ ...group, [`${V2.limit}.max`]: `${50 * MIB}\n` })).toBe(0);
  expect(told({ ...group, [`${V2.limit}.max`]: `${900 * MIB}\n` })).toBe(200 * MIB);
});

it('is unknown where nothing tells, or what is told makes no sense', () => {
  expect(told({})).toBeUndefined();
  expect(told({ meminfo: 'MemAvailable: lots\n', cgroup: '0::/../..\n' })).toBeUndefined();
  expect(told({ meminfo: `${'x'.repeat(70_000)}\n${MEMINFO}` })).toBeUndefined();
  expect(told({ meminfo: MEMINFO, cgroup: '0::/a\n', 'a/memory.max': '12' })).toBe(200 * MIB);
});

it('is known on this machine', () => {
  expect(availableMemory()).toBeGreaterThan(0);
});
