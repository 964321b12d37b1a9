import { describe, expect, it } from 'vitest';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { parseConfig } from '../../../updater/config.ts';
import {
  calendarOf,
  managedUnits,
  systemdFiles,
  toUnitName,
} from '../../../updater/units/systemd.ts';
import { errorOf } from '../../harness/errors.ts';

const KEY = publicKeyBase64(generateKeyPair().publicKey);

function configOf(...lines: readonly string[]): ReturnType<typeof parseConfig> {
  const text = [
    'app = "archipelago"',
    `public_keys = ["${KEY}"]`,
    ...lines,
    '[[mirrors]]',
    'type = "directory"',
    'url = "https://mirror.example.org/"',
  ].join('\n');
  return parseConfig(text, '/etc/landfall/up dater.toml');
}

function textOf(config: ReturnType<typeof configOf>, name: string): string {
  const file = systemdFiles(config, '/opt/50%/$HOME/updater').find((each) =>
    each.path.endsWith(`/${name}`),
  );
  if (file === undefined) throw new Error(`no unit '${name}'`);
  return file.text;
}

describe('units for systemd', () => {
  it.each([
    ['1s', 1000, '*-*-* *:00/1:00'],
    ['7m', 7 * 60_000, '*-*-* *:00/6:00'],
    ['59m', 59 * 60_000, '*-*-* *:00/30:00'],
    ['1h', 60 * 60_000, '*-*-* 00/1:00:00'],
    ['5h', 5 * 60 * 60_000, '*-*-* 00/4:00:00'],
    ['3d', 3 * 24 * 60 * 60_000, '*-*-* 00:00:00'],
  ])('look every %s, or somewhat more often', (_, interval, calendar) => {
    expect(calendarOf(interval)).toBe(calendar);
  });

  it('name each service once, with its suffix, and only those of systemd', () => {
    const service = (name: string, manager: string): string[] => [
      ...['[[services]]', `name = "${name}"`, `manager = "${manager}"`],
      ...(manager === 'command' ? ['restart = ["true"]'] : []),
    ];
    const config = configOf(
      ...service('nginx', 'systemd'),
      ...service('nginx.service', 'systemd'),
      ...service('app@1', 'systemd'),
      ...service('script', 'command'),
    );
    expect(managedUnits(config)).toEqual(['nginx.service', 'app@1.service']);
    expect(textOf(config, 'app@1.service.d/updater.conf')).toContain(
      'OnFailure=updater-failed@%N.service',
    );
  });

  it('call the updater by a name that it finds in the configuration, whatever the kind of unit', () => {
    const names = ['app', 'app@1.service', 'web.socket', 'nightly.timer'];
    const config = configOf(
      ...names.flatMap((name) => ['[[services]]', `name = "${name}"`, 'manager = "systemd"']),
    );
    for (const unit of managedUnits(config)) {
      const called = /^OnFailure=updater-failed@(%[nN])\.service$/m.exec(
        textOf(config, `${unit}.d/updater.conf`),
      );
      // systemd.unit(5): the name of the unit, with its suffix or without.
      const instance = called?.[1] === '%N' ? unit.replace(/\.[a-z]+$/, '') : unit;
      expect(toUnitName({ name: instance }), unit).toBe(unit);
    }
  });

  it('put back the updater that was there before, where releases bring one', () => {
    expect(textOf(configOf(), 'updater.service')).not.toContain('ExecStopPost=');
    const root = ['root = "/opt/a b"'];
    const config = configOf(...root, '[updater]', 'component = "updater"');
    for (const name of ['updater', 'updater-run', 'updater-verify', 'updater-failed@']) {
      expect(textOf(config, `${name}.service`)).toMatch(
        /^ExecStopPost=-\/bin\/sh -c '.*' updater "\/opt\/a b\/updater\.previous" "\/opt\/a b\/updater"$/m,
      );
    }
  });

  it('take paths for what they are, and what the configuration adds comes last', async () => {
    const config = configOf(
      'root = "/opt/a b"',
      '[units]',
      'service = ["ReadWritePaths=/srv/backups"]',
    );
    const text = textOf(config, 'updater.service');
    expect(text).toContain(
      'ExecStart=/opt/50%%/$$HOME/updater once --config "/etc/landfall/up dater.toml"',
    );
    expect(text).toContain('ReadWritePaths="/opt/a b" /var/lib/landfall /run -/var/log');
    expect(text.trimEnd().split('\n').at(-1)).toBe('ReadWritePaths=/srv/backups');
    expect(
      await errorOf(() => configOf('[units]', 'service = ["a\\nExecStart=/bin/sh"]')),
    ).toMatchObject({ code: 'CONFIG' });
  });
});
