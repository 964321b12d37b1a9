/** The npm package `tar` unpacking ARCHIVE (zstd) into FOLDER, as its documentation says: asynchronously. */
import { createReadStream, mkdirSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { extract } from 'tar';

const [archive = '', folder = ''] = process.argv.slice(2);
mkdirSync(folder);
await pipeline(createReadStream(archive), createZstdDecompress(), extract({ cwd: folder }));
