/** What ship asks of each mirror at a time, and how long it waits for one that is slow. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { contentsOf, type GiteaProject, useGiteaProject } from '../harness/gitea-project.ts';

/** One mirror, and a release of four artifacts. */
async function useFourArtifacts(rate?: string): Promise<GiteaProject> {
  const names = ['one', 'two', 'three', 'four'];
  const site = await useGiteaProject(['north'], {
    configure: (config) => {
      config.components = names.map((name) => ({ name, kind: 'tree', from: name }));
      const [north] = config.mirrors;
      if (north?.type !== 'gitea') throw new Error('no mirror');
      if (rate !== undefined) north.upload = { rate };
    },
  });
  for (const name of names) site.project.write(`${name}/noise.bin`, randomBytes(10_000));
  return site;
}

const isUpload = (method: string, path: string): boolean =>
  method === 'POST' && path.includes('/assets?');

it('waits for the slowest mirror only so long after a quorum is done', async () => {
  const site = await useGiteaProject(['north', 'south', 'west'], {
    configure: (config) => {
      config.patience = '500ms';
      const west = config.mirrors.find(({ name }) => name === 'west');
      // Half a minute for what is sent, and fast enough never to be given up for that.
      if (west?.type === 'gitea') west.upload = { rate: '4K', minRate: 1 };
    },
  });
  site.project.write('dist/assets/noise.bin', randomBytes(120_000));
  const started = performance.now();
  const { code, stdout } = await site.release(['ship']);
  expect(performance.now() - started).toBeLessThan(25_000);
  expect(code).toBe(4);
  expect(stdout).toContain('is on 2 of 3 mirrors, 2 needed');
  expect(stdout).toContain("west: was not done 500 ms after 2 others: left to 'mirrors sync'");
  expect(contentsOf(site.server('west')).assets).not.toHaveProperty('v1.0.0');

  site.project.config.mirrors = site.project.config.mirrors.map((each) =>
    each.type === 'gitea' ? { ...each, upload: {} } : each,
  );
  site.project.writeConfig();
  const options = { cwd: site.project.directory, env: site.env };
  expect(await runCommand('mirrors', ['sync', '--to', 'west'], options)).toMatchObject({ code: 0 });
  expect(contentsOf(site.server('west'))).toEqual(contentsOf(site.server('north')));
});

it('waits a month, where that is what the configuration says', async () => {
  const site = await useGiteaProject(['north', 'west'], {
    configure: (config) => {
      config.quorum = 1;
      config.patience = '30d';
      const west = config.mirrors.find(({ name }) => name === 'west');
      if (west?.type === 'gitea') west.upload = { rate: '20K', deadline: '30d' };
    },
  });
  site.project.write('dist/assets/noise.bin', randomBytes(40_000));
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
});

it('sends to each mirror as many artifacts at once as it takes: two unless told', async () => {
  // So slow that those which are under way together are seen together.
  const site = await useFourArtifacts('20K');
  const { hooks } = site.server('north');
  let [under, most] = [0, 0];
  hooks.choose = (method, path) => {
    if (isUpload(method, path)) most = Math.max(most, (under += 1));
    return undefined;
  };
  hooks.handled = (method, path) => {
    if (isUpload(method, path)) under -= 1;
  };
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  expect(most).toBe(2);
  expect(contentsOf(site.server('north')).assets['v1.0.0']).toHaveLength(4);
});

it('begins no further upload to a mirror that has failed', async () => {
  const site = await useFourArtifacts();
  const { rules, requests } = site.server('north');
  rules.push({ method: 'POST', path: /\/assets\?/, fault: { kind: 'status', status: 507 } });
  const failed = await site.release(['ship']);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('507');
  const begun = requests.filter(({ method, url }) => isUpload(method, url));
  // Those that were under way together.
  expect([1, 2]).toContain(begun.length);
});
