/** A certificate authority of our own and a server's certificate that it signed. Needs `openssl`. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './temporary.ts';

export interface Authority {
  /** The file with the authority's certificate, in PEM. */
  ca: string;
  /** For a server at 127.0.0.1 and ::1. */
  key: Buffer;
  cert: Buffer;
}

/** Makes both; they go with the running test. */
export function makeAuthority(): Authority {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'ignore', cwd: folder });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const isCa = ['-addext', 'basicConstraints=critical,CA:TRUE'];
  const ca = ['-subj', '/CN=Landfall test authority', '-keyout', 'ca.key', '-out', 'ca.pem'];
  openssl('req', '-x509', ...key, '-days', '2', ...isCa, ...ca);
  openssl('req', ...key, '-subj', '/CN=127.0.0.1', '-keyout', 'server.key', '-out', 'server.csr');
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,IP:::1\n');
  const signed = ['-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl('x509', '-req', ...signed, '-days', '2', '-extfile', 'names', '-out', 'server.pem');
  return {
    ca: at('ca.pem'),
    key: readFileSync(at('server.key')),
    cert: readFileSync(at('server.pem')),
  };
}
