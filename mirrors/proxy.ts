/**
 * Which proxy stands between us and an address, if one does: what
 * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say, in either case, the lower
 * case first as curl and git do. Decided here once for HTTP and for git, so
 * that an upload and a push take the same way. A proxy's address may hold a
 * password: only `shown` is for people.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { MirrorError } from './errors.ts';

/** A proxy that stands between. `url` is for connecting, and in no message. */
export interface Proxy {
  /** Its address, credentials included. */
  url: string;
  /** `host:port`, for messages. */
  shown: string;
}

/**
 * The proxy for requests to `target`, undefined for a direct connection.
 * Throws `MirrorError` CONFIG when the variable holds no address of an HTTP
 * proxy; the message never repeats what it holds.
 */
export function proxyFor(
  mirror: string,
  target: URL,
  env: NodeJS.ProcessEnv = process.env,
): Proxy | undefined {
  if (target.protocol !== 'http:' && target.protocol !== 'https:') return undefined;
  const name = `${target.protocol.slice(0, -1)}_proxy`;
  const text = valueOf(env, name);
  if (text === undefined || isExcepted(target, valueOf(env, 'no_proxy') ?? '')) return undefined;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) {
    return { url: url.href, shown: url.host };
  }
  throw new MirrorError(
    'CONFIG',
    mirror,
    `environment variable '${name.toUpperCase()}': expected the address of an HTTP proxy, found something else`,
    {
      hint: `set it to an address such as http://proxy.example:3128, or except the mirror's host in NO_PROXY`,
    },
  );
}

function valueOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = (env[name] ?? env[name.toUpperCase()])?.trim();
  return text === '' ? undefined : text;
}

/**
 * Whether `NO_PROXY` names the host: a list, by commas or spaces, of `*`,
 * names (which hold for everything below them too, with or without a leading
 * dot or `*.`), addresses and `address/bits`; a name or address may end in
 * `:port`.
 */
function isExcepted(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = target.port === '' ? (target.protocol === 'https:' ? '443' : '80') : target.port;
  return list.split(/[\s,]+/).some((entry) => {
    const [name, wanted] = splitPort(entry.toLowerCase());
    if (name === '' || (wanted !== undefined && wanted !== port)) return false;
    if (name === '*') return true;
    if (isIP(host) !== 0) return isInNetwork(host, name);
    const plain = name.replace(/^\*?\./, '').replace(/\.$/, '');
    return host === plain || host.endsWith(`.${plain}`);
  });
}

function splitPort(entry: string): [name: string, port: string | undefined] {
  const [, bracketed, port] = /^\[(.+)\](?::(\d+))?$/.exec(entry) ?? [];
  if (bracketed !== undefined) return [bracketed, port];
  const [, name, after] = /^([^:]+):(\d+)$/.exec(entry) ?? [];
  return name === undefined ? [entry, undefined] : [name, after];
}

/** Whether the address is `network`, which is an address or `address/bits`. */
function isInNetwork(address: string, network: string): boolean {
  const [base = '', bits] = network.split('/');
  if (isIP(base) === 0 || isIP(base) !== isIP(address)) return false;
  const family = isIPv6(base) ? 'ipv6' : 'ipv4';
  const all = family === 'ipv6' ? 128 : 32;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return false;
  const prefix = bits === undefined ? all : Number(bits);
  if (prefix > all) return false;
  const list = new BlockList();
  list.addSubnet(base, prefix, family);
  return list.check(address, family);
}
