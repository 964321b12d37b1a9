/** A mirror that is slow does not hold up the others: they get the index, and it is left to `mirrors sync`. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { contentsOf, useGiteaProject } from '../harness/gitea-project.ts';

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
