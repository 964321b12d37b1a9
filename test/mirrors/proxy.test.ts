/** Which proxy the environment names for an address, and which addresses are excepted. */
import { describe, expect, it } from 'vitest';
import { proxyFor } from '../../mirrors/proxy.ts';
import { errorOf } from '../harness/errors.ts';

const PROXY = 'http://proxy.test:3128/';

function proxyOf(address: string, env: NodeJS.ProcessEnv): string | undefined {
  return proxyFor('north', new URL(address), env)?.url;
}

describe('a proxy', () => {
  it.each<[string, string, NodeJS.ProcessEnv, string | undefined]>([
    ['no variable', 'https://a.test/', {}, undefined],
    ['an empty variable', 'https://a.test/', { HTTPS_PROXY: ' ' }, undefined],
    ['HTTPS_PROXY', 'https://a.test/', { HTTPS_PROXY: PROXY }, PROXY],
    ['https_proxy', 'https://a.test/', { https_proxy: PROXY }, PROXY],
    ['both: the lower case', 'https://a.test/', { https_proxy: PROXY, HTTPS_PROXY: 'x' }, PROXY],
    ['HTTP_PROXY', 'http://a.test/', { HTTP_PROXY: PROXY }, PROXY],
    ['http_proxy', 'http://a.test/', { http_proxy: PROXY }, PROXY],
    ['the other protocol', 'https://a.test/', { HTTP_PROXY: PROXY }, undefined],
    ['no scheme', 'http://a.test/', { HTTP_PROXY: 'proxy.test:3128' }, PROXY],
    ['ssh', 'ssh://a.test/', { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY }, undefined],
  ])('is found: %s', (_, address, env, expected) => {
    expect(proxyOf(address, env)).toBe(expected);
  });

  it('is shown without its password', () => {
    const env = { HTTP_PROXY: 'http://me:secret@proxy.test:3128' };
    const proxy = proxyFor('north', new URL('http://a.test'), env);
    expect(proxy).toEqual({
      url: 'http://me:secret@proxy.test:3128/',
      shown: 'proxy.test:3128',
    });
  });

  it.each(['socks5://me:secret@proxy.test', 'http://me:secret@:x'])(
    'that is none of HTTP is refused without repeating it: %s',
    async (text) => {
      const error = await errorOf(() => proxyOf('https://a.test', { HTTPS_PROXY: text }));
      expect([error.code, error.exit]).toEqual(['CONFIG', 2]);
      expect(error.message).toBe(
        "mirror 'north': environment variable 'HTTPS_PROXY': expected the address of an HTTP proxy, found something else",
      );
    },
  );
});

describe('NO_PROXY', () => {
  it.each<[list: string, address: string]>([
    ['*', 'https://a.test'],
    ['a.test', 'https://a.test'],
    ['A.Test', 'https://a.test'],
    ['x.test, a.test', 'https://a.test:8443'],
    ['x.test a.test', 'https://a.test'],
    ['test', 'https://a.test'],
    ['.test', 'https://a.test'],
    ['.a.test', 'https://a.test'],
    ['*.test', 'https://b.a.test'],
    ['a.test.', 'https://a.test'],
    ['a.test:443', 'https://a.test'],
    ['127.0.0.1', 'https://127.0.0.1:3000'],
    ['10.0.0.0/8', 'https://10.1.2.3'],
    ['::1', 'https://[::1]:3000'],
    ['[::1]', 'https://[::1]:3000'],
    ['[::1]:3000', 'https://[::1]:3000'],
    ['fd00::/8', 'https://[fd12::1]'],
  ])('%s excepts %s', (list, address) => {
    expect(proxyOf(address, { HTTPS_PROXY: PROXY, NO_PROXY: list })).toBeUndefined();
    expect(proxyOf(address, { HTTPS_PROXY: PROXY, no_proxy: list })).toBeUndefined();
  });

  it.each<[list: string, address: string]>([
    ['', 'https://a.test'],
    ['a.test', 'https://ba.test'],
    ['a.test', 'https://a.test.example'],
    ['b.a.test', 'https://a.test'],
    ['a.test:8443', 'https://a.test'],
    ['10.0.0.0/8', 'https://11.1.2.3'],
    ['10.0.0.0/', 'https://11.1.2.3'],
    ['10.0.0.0/0x0', 'https://11.1.2.3'],
    ['10.0.0.0/99', 'https://10.1.2.3'],
    ['1.2.3', 'https://0.1.2.3'],
    ['::1', 'https://127.0.0.1'],
    ['[::1]:3001', 'https://[::1]:3000'],
  ])('%s does not except %s', (list, address) => {
    expect(proxyOf(address, { HTTPS_PROXY: PROXY, NO_PROXY: list })).toBe(PROXY);
  });
});
