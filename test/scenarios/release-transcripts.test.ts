/** What `release` prints, word for word: help, the steps of a ship, its reports. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, describe, it } from 'vitest';
import { normalise } from '../harness/bad-input.ts';
import { runCommand } from '../harness/command.ts';
import { unplug } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';

/** Takes out sizes, times, digests and rates too. */
function golden(text: string, site: Project): string {
  return normalise(text, site)
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<digest>')
    .replaceAll(/\b[0-9a-f]{12}…/g, '<digest>')
    .replaceAll(/\b[\d.]+ (ms|s|min)\b/g, '<time>')
    .replaceAll(/\b[\d.]+ (B|KiB|MiB)\b/g, '<size>')
    .replaceAll(/ {2,}/g, '  ');
}

describe('help', () => {
  it('of the program', async () => {
    const help = await runCommand('release', ['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toBe(`release: builds, signs and ships releases to all mirrors

usage: release COMMAND [options]

  init               write a commented release.config.ts to start from
  keygen             make a key pair to sign releases with
  build [VERSION]    run the project's build, pack it and pass it through the gate
  check FILE…        pass archives (.tar, .tar.gz, .tar.zst) through the gate
  ship [VERSION]     build, sign and publish a release to all mirrors
  sign FILE          add your signature to a manifest, root document or halt file that waits for several
  trust ACTION       make, replace, show and publish the document that says who may sign
  promote [VERSION]  publish one channel's release on another, as it is
  withdraw VERSION   take a release back: nodes on it move to the newest good one
  halt [VERSION]     stop a release on every node at its next check, until it is resumed
  resume VERSION     let a release that was halted go on
  renew              publish the current release again with a later end
  rollout VERSION    let the current release go out in other steps
  notes [VERSION]    print the changelog's section of a version
  diff A B           show which files changed between two versions, and their sizes
  status             show what was built here and what each mirror has
  verify             download everything from every mirror as a stranger and check it

'release COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or
configuration, 3 refused by a gate, 4 done on enough mirrors but not all.
`);
  });

  it('of ship', async () => {
    const help = await runCommand('release', ['ship', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toBe(`build, sign and publish a release to all mirrors

usage: release ship [options] [VERSION]

  --channel C           the channel; the configuration's unless told
  --steps STEPS         PERCENT@WHEN,…: how many of the nodes may take it from when on; 'all': everybody at once
  --quorum N            mirrors that must be complete; the majority unless told
  --force-index MIRROR  replace this mirror's index branch where it has diverged from the others'
  --dry-run             show what would be done, and change nothing
  --config FILE         the configuration; release.config.ts unless told
  -h, --help            show this help
  --json                print one JSON value instead of text
  --debug               show where an error came from

VERSION is that of the project's package.json unless told.
It may be run again at any time: it finishes the same release with the same bytes, after a
crash as well as for mirrors that were down. No index names an artifact before its mirror has
served it to a stranger. With --steps 10@now,100@+24h a new release goes out in steps. Where
several must sign it waits for them. Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 3 refused
or waiting.
`);
  });

  it.each(['init', 'keygen', 'build', 'check', 'status', 'verify'])('of %s', async (command) => {
    const help = await runCommand('release', [command, '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain(`usage: release ${command}`);
    for (const line of help.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe('ship', () => {
  it('shows its steps, and a report', async () => {
    const site = await useProject({ mirrors: ['oslo'] });
    const { code, stdout, stderr } = await site.release(['ship']);
    expect(code).toBe(0);
    expect(golden(stderr, site)).toBe(
      `    oslo: has no release yet
✔ look at all mirrors: 1 of 1 can be published to
✔ decide: new release 1.0.0, sequence 1
    note: no commit and no SOURCE_DATE_EPOCH: files get the time of this build
✔ look at the source: not a git checkout
✔ open the keys: 1 opened
✔ run the commands that build: none configured
    web-ui-1.0.0.tar.zst: <size>, 5 entries
    server-1.0.0-linux-x64.zst: <size>
✔ pack: 2 artifacts
✔ gate: passed, two readers agree on 5 entries
✔ tell how it was built: 1 signature
✔ sign: sequence 1, by <key id>
✔ see what mirrors hold: 0 of 1 have all artifacts
    oslo: web-ui-1.0.0.tar.zst <size> in <time> (<size>/s)
    oslo: server-1.0.0-linux-x64.zst <size> in <time> (<size>/s)
✔ upload: <size> sent
✔ read back: 1 of 1 serve every artifact
✔ quorum: 1 of 1, 1 needed
✔ index: written to 1
✔ read the index back: 1 of 1 verified
`.replaceAll(/ {2,}/g, '  '),
    );
    expect(golden(stdout, site))
      .toBe(`archipelago 1.0.0 (channel stable, sequence 1) is on its one mirror, <time>

mirror  artifacts  index  sent  address
oslo  2 of 2  verified  <size>  file://<root>/mirrors/oslo
`);
  });

  it('shows which step failed, also one that may ask', async () => {
    const site = await useProject({ mirrors: ['oslo'] });
    rmSync(join(site.directory, 'keys/release.key'));
    const { code, stderr } = await site.release(['ship']);
    expect(code).toBe(2);
    expect(golden(stderr, site)).toContain('not a git checkout\n✖ open the keys\nerror: ');
  });

  it('again shows that there is nothing to do', async () => {
    const site = await useProject({ mirrors: ['oslo'] });
    await site.release(['ship']);
    const { stdout, stderr } = await site.release(['ship']);
    expect(golden(stderr, site)).toBe(
      `    oslo: has 1.0.0 (sequence 1), <time>
✔ look at all mirrors: 1 of 1 can be published to
✔ decide: finish what was signed here
✔ take it from here: signed here, sequence 1
✔ gate: passed, two readers agree on 5 entries
✔ tell how it was built: as it was told before
✔ see what mirrors hold: 1 of 1 have all artifacts
- upload: every mirror has them
- read back: every mirror has them
✔ quorum: 1 of 1, 1 needed
- index: every mirror has it
✔ read the index back: 1 of 1 verified
`.replaceAll(/ {2,}/g, '  '),
    );
    expect(golden(stdout, site))
      .toBe(`archipelago 1.0.0 (channel stable, sequence 1): everything is already there, on its one mirror

mirror  artifacts  index  sent  address
oslo  2 of 2  verified  <size>  file://<root>/mirrors/oslo
`);
  });

  it('names the mirror that is behind and the one command that completes it', async () => {
    const site = await useProject();
    unplug(site.mirror('lima'));
    const { code, stdout } = await site.release(['ship', '--channel', 'beta']);
    expect(code).toBe(4);
    expect(golden(stdout, site))
      .toBe(`archipelago 1.0.0 (channel beta, sequence 1) is on 2 of 3 mirrors, 2 needed

mirror  artifacts  index  sent  address
oslo  2 of 2  verified  <size>  file://<root>/mirrors/oslo
lima  0 of 2  no  <size>  file://<root>/mirrors/lima
kyoto  2 of 2  verified  <size>  file://<root>/mirrors/kyoto

lima: '<root>/mirrors/lima' is not a mirror: no 'landfall-mirror.json' in it
  hint: mount it if it is a stick or a share; 'mirrors init <root>/mirrors/lima' makes a new mirror

this completes the rest: release ship 1.0.0 --channel beta
`);
  });

  it('in a dry run says what it would do', async () => {
    const site = await useProject({ mirrors: ['oslo', 'lima'] });
    const { code, stdout } = await site.release(['ship', '--dry-run']);
    expect(code).toBe(0);
    expect(golden(stdout, site))
      .toBe(`dry run, nothing was changed: would ship archipelago 1.0.0 (channel stable, sequence 1)

artifact  size  sha256
web-ui-1.0.0.tar.zst  <size>  <digest>
server-1.0.0-linux-x64.zst  <size>  <digest>

oslo: would upload 2 of 2 artifacts (<size>), write the index
lima: would upload 2 of 2 artifacts (<size>), write the index
`);
  });
});

describe('status and verify', () => {
  it('tell what is here and there', async () => {
    const site = await useProject({ mirrors: ['oslo', 'lima'] });
    expect(golden((await site.release(['status'])).stdout, site)).toBe(`nothing built here yet

channel stable
mirror  version  sequence  behind  artifacts  answer  address
oslo  -  -  -  -  <time>  file://<root>/mirrors/oslo
lima  -  -  -  -  <time>  file://<root>/mirrors/lima
oslo: has no 'releases/manifest.json'
lima: has no 'releases/manifest.json'
`);
    await site.release(['ship']);
    const plugIn = unplug(site.mirror('lima'));
    writeWebUi(site, 'two');
    await site.release(['ship', '1.1.0', '--quorum', '1']);
    await site.release(['build', '1.2.0']);
    plugIn();
    expect(golden((await site.release(['status'])).stdout, site))
      .toBe(`here  channel  sequence  state  proven
1.0.0  stable  1  signed  on 2 of 2
1.1.0  stable  2  signed  on 1 of 2
1.2.0  -  -  built, 2 artifacts, not signed  -

channel stable
mirror  version  sequence  behind  artifacts  answer  address
oslo  1.1.0  2  0  2 of 2  <time>  file://<root>/mirrors/oslo
lima  1.0.0  1  1  0 of 2  <time>  file://<root>/mirrors/lima
`);
    const verified = await site.release(['verify', '--quorum', '1']);
    expect(verified.code).toBe(4);
    expect(golden(verified.stdout, site)).toBe(`archipelago 1.1.0 (channel stable, sequence 2)
mirror  index  artifacts verified  provenance
oslo  current  2 of 2  verified
lima  behind: 1.0.0  0 of 2  none
lima: 'web-ui-1.1.0.tar.zst' is not there
lima: 'server-1.1.0-linux-x64.zst' is not there
`);
  });

  it('verify names wrong bytes, whatever their size', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const path = '../mirrors/kyoto/releases/download/v1.0.0/server-1.0.0-linux-x64.zst';
    site.write(path, 'wrong');
    site.write(path.replace('kyoto', 'lima'), 'x'.repeat(10_000));
    const verified = await site.release(['verify']);
    expect(verified.code).toBe(1);
    expect(golden(verified.stdout, site)).toBe(`archipelago 1.0.0 (channel stable, sequence 1)
mirror  index  artifacts verified  provenance
oslo  current  2 of 2  verified
lima  current  1 of 2  verified
kyoto  current  1 of 2  verified
lima: 'server-1.0.0-linux-x64.zst' is not what was signed: more than 64 bytes
kyoto: 'server-1.0.0-linux-x64.zst' is not what was signed: 5 bytes with sha256 <digest>
`);
    // Shipping again sends damaged artifacts of a published release anew.
    const shipped = await site.release(['ship']);
    expect(shipped.code).toBe(0);
    expect(shipped.stderr).toContain("lima: 'server-1.0.0-linux-x64.zst' is damaged there");
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });
});
