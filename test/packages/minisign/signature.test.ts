import {
  MAX_SIGNATURE_FILE_BYTES,
  parseSignature,
  sign,
  verify,
  type PublicKey,
} from '@landfall/minisign';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import {
  editBase64Line,
  editLine,
  relabelled,
  spareBit,
  testKey,
} from '../../harness/minisign-keys.ts';

const MESSAGE = Buffer.from('{ "version": "1.7.41-alpha" }\n');

/** A signature file of MESSAGE, and its key. */
function signed(): { text: string; key: PublicKey } {
  const secret = testKey();
  const text = sign(secret, MESSAGE, { trustedComment: 'timestamp:1\tfile:manifest.json' });
  return { text, key: secret.publicKey };
}

/** Whether the bytes of a signature file are taken for MESSAGE. */
function taken(file: Uint8Array, key: PublicKey): string | undefined {
  try {
    return verify(MESSAGE, parseSignature(file), key).trustedComment;
  } catch {
    return undefined;
  }
}

describe('sign and verify', () => {
  it('give the trusted comment back, for any message and comments', () => {
    const key = testKey();
    const comment = fc
      .string({ unit: 'binary', maxLength: 200 })
      .map((text) => text.replaceAll(/\p{Cc}/gu, '\t'));
    fc.assert(
      fc.property(fc.uint8Array(), comment, comment, (message, trusted, untrusted) => {
        const text = sign(key, message, { trustedComment: trusted, untrustedComment: untrusted });
        const parsed = parseSignature(text);
        expect(verify(message, parsed, key.publicKey).trustedComment).toBe(trusted);
        expect(parsed.untrustedComment).toBe(untrusted);
        expect(parseSignature(Buffer.from(text))).toEqual(parsed);
      }),
    );
  });

  it('make the same file every time', () => {
    const key = testKey();
    const options = { trustedComment: 'x' };
    expect(sign(key, MESSAGE, options)).toBe(sign(key, MESSAGE, options));
  });

  it('sign nothing any more once the key is destroyed', async () => {
    const key = testKey();
    key.destroy();
    const error = await errorOf(() => sign(key, MESSAGE, { trustedComment: 'x' }));
    expect(error.code).toBe('KEY_INVALID');
    expect(error.message).toContain('destroyed');
  });

  it.each<[string, string, string]>([
    ['a line feed', 'a\nb', 'control characters'],
    ['a carriage return', 'a\rb', 'control characters'],
    ['a NUL', 'a\0b', 'control characters'],
    ['an escape', '\u001B[2J', 'control characters'],
    ['a C1 control', 'a\u0085b', 'control characters'],
    ['half a surrogate pair', 'a\uD800b', 'Unicode text'],
    ['more than minisign reads', 'x'.repeat(8174), 'at most 8190 bytes, found 8191'],
  ])('write no comment with %s', async (_, comment, text) => {
    const key = testKey();
    const error = await errorOf(() => sign(key, MESSAGE, { trustedComment: comment }));
    expect(error.code).toBe('COMMENT_INVALID');
    expect(error.message).toContain(text);
    expect(error.hint).toBe('use one line of plain text');
    expect(error.exit).toBe(2);
  });
});

describe('a signature file that was changed', () => {
  it('in any one bit is refused, but for the text that nobody signs', () => {
    const { text, key } = signed();
    const file = Buffer.from(text);
    const [start, end] = ['untrusted comment: '.length, text.indexOf('\n')];
    const survived = new Set<number>();
    for (let bit = 0; bit < file.length * 8; bit += 1) {
      const changed = Buffer.from(file);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (taken(changed, key) !== undefined) survived.add(bit >> 3);
    }
    expect([...survived].filter((at) => at < start || at >= end)).toEqual([]);
    expect(survived.size).toBe(end - start);
  });

  it('by a byte more or less is refused, but for the text that nobody signs', () => {
    const { text, key } = signed();
    const [first = '', ...signedLines] = text.split('\n');
    for (let at = 0; at <= text.length; at += 1) {
      const changes = ['A', '=', ' ', '\n', '\0'].map(
        (character) => text.slice(0, at) + character + text.slice(at),
      );
      if (at < text.length - 1) changes.push(text.slice(0, at) + text.slice(at + 1));
      for (const changed of changes) {
        const [start = '', ...rest] = changed.split('\n');
        const free = start.startsWith('untrusted comment: ') && !start.includes('\0');
        const same = free && start !== first && rest.join('\n') === signedLines.join('\n');
        expect([changed, taken(Buffer.from(changed), key) !== undefined]).toEqual([changed, same]);
      }
    }
  });

  it('cut short anywhere is refused', () => {
    const { text, key } = signed();
    for (let length = 0; length < text.length - 1; length += 1) {
      expect(taken(Buffer.from(text.slice(0, length)), key)).toBeUndefined();
    }
    expect(taken(Buffer.from(text.slice(0, -1)), key)).toBeDefined();
  });
});

describe('parseSignature', () => {
  it.each<[string, (text: string) => string, string]>([
    ['nothing', () => '', 'exactly 4 lines, found 1'],
    ['three lines', (text) => text.split('\n').slice(0, 3).join('\n'), 'exactly 4 lines, found 3'],
    ['five lines', (text) => `${text}more\n`, 'exactly 4 lines, found 5'],
    ['a second final line feed', (text) => `${text}\n`, 'exactly 4 lines, found 5'],
    ['a line feed before', (text) => `\n${text}`, 'exactly 4 lines, found 5'],
    ['CR LF', (text) => text.replaceAll('\n', '\r\n'), 'carriage return'],
    ['one CR at the end', (text) => `${text.trimEnd()}\r\n`, 'carriage return'],
    ['a byte order mark', (text) => `\uFEFF${text}`, "begins with 'untrusted comment: '"],
    ['an HTML page', () => '<html>\n<body>\nnot\nfound', "begins with 'untrusted comment: '"],
    [
      'another first word',
      editLine(0, (line) => line.slice(1)),
      "begins with 'untrusted comment: '",
    ],
    ['another third line', editLine(2, (line) => ` ${line}`), "begins with 'trusted comment: '"],
    ['swapped comments', (t) => t.split('\n').toReversed().join('\n').trim(), 'begins with'],
    ['an escape in a comment', editLine(0, (line) => `${line}\u001B`), 'control characters'],
    ['a NUL in a comment', editLine(2, (line) => `${line}\0`), 'control characters'],
    ['a long first line', editLine(0, (line) => line.padEnd(1023, 'x')), 'at most 1022 bytes'],
    ['a long third line', editLine(2, (line) => line.padEnd(8191, 'x')), 'at most 8190 bytes'],
    ['base64 with spare bits set', editLine(1, spareBit), 'canonical base64'],
    ['spare bits in the last line', editLine(3, spareBit), 'canonical base64'],
    ['base64 without padding', editLine(1, (line) => line.replace('=', '')), 'canonical base64'],
    ['base64 with more padding', editLine(1, (line) => `${line}=`), 'canonical base64'],
    ['a space in base64', editLine(1, (line) => `${line} `), 'canonical base64'],
    ['base64 of URLs', editLine(1, (line) => `-_${line.slice(2)}`), 'canonical base64'],
    ['a shorter signature', editLine(1, () => 'RUQ='), 'expected 74 bytes in base64, found 2'],
    ['a longer last line', editLine(3, () => Buffer.alloc(65).toString('base64')), '64 bytes'],
    ['another algorithm', (t) => editBase64Line(t, 1, (b) => b.set([0x45, 0x58])), 'bytes 4558'],
    [
      'a legacy signature',
      (t) => editBase64Line(t, 1, (b) => b.set(Buffer.from('Ed'))),
      "expected a prehashed signature ('ED'), found a legacy one ('Ed')",
    ],
  ])('refuses %s', async (_, change, message) => {
    const { text } = signed();
    expect(change(text)).not.toBe(text);
    const error = await errorOf(() => parseSignature(change(text), "signature 'a.minisig'"));
    expect(error.code).toBe('SIGNATURE_INVALID');
    expect(error.message).toMatch(/^signature 'a\.minisig': expected .*/);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('\n');
    expect(error.hint).toBeDefined();
    expect(error.exit).toBe(3);
    const bytes = Buffer.from(change(text));
    expect((await errorOf(() => parseSignature(bytes))).message).toContain(message);
  });

  it('refuses bytes that are not UTF-8, and more bytes than any signature has', async () => {
    const bytes = Buffer.concat([Buffer.from('untrusted comment: '), Buffer.from([0xff, 0x0a])]);
    expect((await errorOf(() => parseSignature(bytes))).message).toContain('expected UTF-8 text');
    const endless = Buffer.alloc(MAX_SIGNATURE_FILE_BYTES + 1, 'a');
    const message = `expected at most ${MAX_SIGNATURE_FILE_BYTES} bytes`;
    expect((await errorOf(() => parseSignature(endless))).message).toContain(message);
  });

  it('never throws anything but its own error', async () => {
    const { text } = signed();
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 500 }),
      fc.string({ unit: 'binary' }).map((each) => Buffer.from(each)),
    );
    await fc.assert(
      fc.asyncProperty(anything, fc.nat(text.length), async (bytes, at) => {
        const twice = [1, 2].flatMap(() => [Buffer.from(text.slice(0, at)), bytes]);
        const error = await errorOf(() => parseSignature(Buffer.concat(twice)));
        expect(error.code).toBe('SIGNATURE_INVALID');
      }),
    );
  });
});

describe('verify', () => {
  it('refuses another message', async () => {
    const { text, key } = signed();
    const signature = parseSignature(text);
    const other = Buffer.concat([MESSAGE, Buffer.from('\n')]);
    const error = await errorOf(() => verify(other, signature, key));
    expect(error.code).toBe('SIGNATURE_MISMATCH');
    expect(error.message).toMatch(
      /^signature does not verify: expected one by key [0-9A-F]+ over these 31 bytes, found /,
    );
    expect(error.exit).toBe(3);
  });

  it('refuses a signature that names another key, also one with the same 32 bytes', async () => {
    const key = testKey();
    const twin = await relabelled(key, Buffer.from('12345678'));
    const signature = parseSignature(sign(twin, MESSAGE, { trustedComment: 'x' }));
    expect(verify(MESSAGE, signature, twin.publicKey).trustedComment).toBe('x');
    const error = await errorOf(() => verify(MESSAGE, signature, key.publicKey));
    expect(error.code).toBe('SIGNATURE_MISMATCH');
    expect(error.message).toContain('by another key: expected key id');
    expect(error.message).toContain('found 3837363534333231');
  });

  it('refuses a signature by another key with the same id', async () => {
    const { key } = signed();
    const twin = await relabelled(testKey(), key.keyId);
    const signature = parseSignature(sign(twin, MESSAGE, { trustedComment: 'x' }));
    const error = await errorOf(() => verify(MESSAGE, signature, key));
    expect(error.message).toContain('does not verify');
  });

  it('refuses the trusted comment of another signature by the same key', async () => {
    const key = testKey();
    const [first, second] = ['one', 'two'].map((comment) =>
      sign(key, Buffer.from(comment), { trustedComment: comment }).split('\n'),
    );
    const mixed = [...(first ?? []).slice(0, 2), ...(second ?? []).slice(2)].join('\n');
    const signature = parseSignature(mixed);
    const error = await errorOf(() => verify(Buffer.from('one'), signature, key.publicKey));
    expect(error.code).toBe('SIGNATURE_MISMATCH');
    expect(error.message).toContain('trusted comment does not verify');
  });
});
