/** What counts as data where nobody can tell the release, and that an older release never does. */
import { describe, expect, it } from 'vitest';
import { describeData, type Seen } from '../../../updater/adopt/data.ts';

const HOUR = 3_600_000;
const WEB = { name: 'www-data', uid: 33, groups: [33] };

/** An entry as a deployment leaves it: root's, put there at 0, made long before. */
const seen = (path: string, change: Partial<Seen> = {}): Seen => ({
  path: path.replace(/\/$/, ''),
  type: path.endsWith('/') ? 'directory' : 'file',
  mode: path.endsWith('/') ? 0o040755 : 0o100644,
  uid: 0,
  gid: 0,
  mtimeMs: -1000 * HOUR,
  ctimeMs: 0,
  ...change,
});

/** An older build: all but the page has names that the newest does not know. */
const OLDER = [
  seen('./'),
  seen('about/'),
  seen('about/index.html'),
  seen('assets/'),
  seen('assets/app-1a2b.js'),
  seen('assets/app-1a2b.js.map'),
  seen('assets/media/intro.mp4'),
  seen('assets/Thumbs.db'),
  seen('data/countries.json'),
  seen('.htaccess'),
  seen('index.html'),
  seen('manifest.webmanifest'),
];
const NEWEST = [seen('./'), seen('assets/'), seen('assets/app-3c4d.js'), seen('index.html')];

const found = (more: readonly Seen[], released = NEWEST): string | undefined =>
  describeData([...OLDER, ...more], released, WEB);

describe('an older release', () => {
  it.each<[string, Seen[]]>([
    ['as it was put there', OLDER],
    ['that belongs to the web server as a whole', OLDER.map((each) => ({ ...each, uid: 33 }))],
    ['that anybody may write', OLDER.map((each) => ({ ...each, mode: each.mode | 0o022 }))],
    [
      'whose modes were put right later, here and there',
      OLDER.map((each) => (each.path.startsWith('a') ? { ...each, ctimeMs: 50 * HOUR } : each)),
    ],
    [
      'whose page was built long before its assets',
      OLDER.map((each) => (each.path === 'index.html' ? each : { ...each, mtimeMs: -1 })),
    ],
    [
      'that came over older files',
      OLDER.map((each) => (each.path === 'index.html' ? each : { ...each, ctimeMs: -90 * HOUR })),
    ],
  ])('%s is none of it data', (_, entries) => {
    expect(describeData(entries, NEWEST, WEB)).toBeUndefined();
    expect(describeData(entries, [], WEB), 'no mirror answers').toBeUndefined();
    expect(describeData(entries, [], undefined)).toBeUndefined();
  });
});

describe('data beside it', () => {
  it.each([
    'db.sqlite',
    'data/app.db-wal',
    'shop.SQLite3',
    'cfg.php',
    'api/post.cgi',
    '.env',
    '.env.local',
    'prod.env',
    '.htpasswd',
    'logs/access.log',
  ])('is known by its name: %s', (path) => {
    expect(found([seen(path)])).toBe(`'${path}' (by name)`);
  });

  it('is known by the name of its folder, which is told once', () => {
    const more = [
      'uploads/',
      'uploads/u.txt',
      'uploads/2026/',
      'uploads/2026/a.jpg',
      'x/.git/HEAD',
    ];
    expect(found(more.map((path) => seen(path)))).toBe("'uploads', 'x/.git' (by name)");
    expect(found([seen('Uploads/')])).toBe("'Uploads' (by name)");
  });

  it('is not known by a name that the newest release has of its own kind', () => {
    const released = [...NEWEST, seen('example/uploads/a.png'), seen('wasm/words.db')];
    expect(found([seen('uploads/u.txt'), seen('old.db')], released)).toBeUndefined();
    expect(found([seen('db.sqlite')], released)).toBe("'db.sqlite' (by name)");
    // A folder of that name tells nothing of files, nor the other way round.
    expect(found([seen('uploads/')], [...NEWEST, seen('x/uploads')])).toBe("'uploads' (by name)");
  });

  it("is what the web server's user can write, where it cannot write the page", () => {
    const words = "'state.bin' ('www-data' can write it, and not index.html)";
    expect(found([seen('state.bin', { uid: 33 })])).toBe(words);
    expect(found([seen('state.bin', { gid: 33, mode: 0o100664 })])).toBe(words);
    expect(found([seen('state.bin', { mode: 0o100666 })])).toBe(words);
    expect(found([seen('state.bin', { uid: 33, mode: 0o100444 })])).toBeUndefined();
    const nobody = describeData([...OLDER, seen('state.bin', { uid: 33 })], NEWEST, undefined);
    expect(nobody, 'nobody knows who it is').toBeUndefined();
    const known = [...NEWEST, seen('state.bin')];
    expect(found([seen('state.bin', { uid: 33 })], known), 'of the release').toBeUndefined();
  });

  it('is what was written long after the page was put there', () => {
    const late = (hours: number): Seen =>
      seen('a.jpg', { mtimeMs: hours * HOUR, ctimeMs: hours * HOUR });
    expect(found([late(0.5)])).toBeUndefined();
    expect(found([late(1)])).toBe("'a.jpg' (written an hour or more after index.html)");
  });

  it('is told with all that shows it', () => {
    const late = { mtimeMs: 9 * HOUR, ctimeMs: 9 * HOUR };
    const more = [seen('a.bin', { uid: 33 }), seen('b.jpg', late), seen('c.php', late)];
    expect(found(more)).toMatch(/^'c\.php' \(by name\); 'a\.bin' \(.*\); 'b\.jpg' \(written .*\)$/);
  });
});
