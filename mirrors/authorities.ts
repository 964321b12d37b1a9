/**
 * Who may vouch for a mirror's TLS certificate: everyone this process trusts
 * (Node's own list and `NODE_EXTRA_CA_CERTS`), and what a mirror's `ca` adds.
 * git gets the same list, as a file in the temporary folder for as long as it
 * runs; a killed process leaves that file, which holds nothing secret.
 *
 * Node's TLS takes longer to load than all the rest of a start: it is loaded
 * when somebody asks (`getBuiltinModule`).
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { describeSystemError, messageOf } from '@landfall/errors';
import { MirrorError } from './errors.ts';
import { withScratchFolder } from './scratch.ts';

const MAX_CA_BYTES = 1024 * 1024;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates in PEM that a connection to the mirror trusts; undefined
 * without a `ca` file: then Node's default holds. Throws `MirrorError` CONFIG.
 */
export function trustedAuthorities(mirror: string, file: string | undefined): string[] | undefined {
  if (file === undefined) return undefined;
  return [...defaultAuthorities(), ...readCa(mirror, file)];
}

function defaultAuthorities(): string[] {
  return process.getBuiltinModule('node:tls').getCACertificates('default');
}

/** The certificates of a `ca` file, each of which can be read. Throws `MirrorError` CONFIG. */
export function readCa(mirror: string, file: string): string[] {
  const problem = (message: string, cause?: unknown): MirrorError =>
    new MirrorError('CONFIG', mirror, `'ca' file '${file}' ${message}`, {
      cause,
      hint: 'name a file with the certificate of the authority in PEM (-----BEGIN CERTIFICATE-----)',
    });
  let text: string;
  try {
    if (statSync(file).size > MAX_CA_BYTES) throw problem('is too large: expected at most 1 MiB');
    text = readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw problem(`cannot be read: ${describeSystemError(error)?.what ?? messageOf(error)}`, error);
  }
  const found = text.match(PEM) ?? [];
  if (found.length === 0) throw problem('holds no certificate');
  try {
    return found.map((each) => new X509Certificate(each).toString());
  } catch (error) {
    throw problem('holds a certificate that cannot be read', error);
  }
}

/**
 * Runs `act` with a file of everything this process and the mirror's `ca`
 * trust, for git's `http.sslCAInfo`; with undefined when nothing was added to
 * what git trusts anyway.
 */
export async function withAuthorities<T>(
  mirror: string,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  act: (bundle: string | undefined) => Promise<T>,
): Promise<T> {
  if (file === undefined && (env['NODE_EXTRA_CA_CERTS'] ?? '') === '') return act(undefined);
  const list = trustedAuthorities(mirror, file) ?? defaultAuthorities();
  return withScratchFolder('ca', async (folder) => {
    const path = join(folder, 'authorities.pem');
    writeFileSync(path, `${list.join('\n')}\n`);
    return act(path);
  });
}
