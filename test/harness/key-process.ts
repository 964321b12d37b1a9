/** Signs with the secret key at a path, is done with it, says so, and stays until its input ends. */
import { readSecretKeyFile, sign } from '@landfall/minisign';

const [path = '', password] = process.argv.slice(2);
const key = await readSecretKeyFile(path, () => password);
for (const text of ['one', 'two']) sign(key, Buffer.from(text), { trustedComment: text });
if (process.env['KEEP_KEY'] === undefined) key.destroy();
globalThis.gc?.();
process.stdout.write('done\n');
process.stdin.resume();
