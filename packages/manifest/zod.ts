/**
 * zod as nodes use it: its small edition, whose schemas are made in half the
 * time, with English words for what does not fit. Every start of the updater makes some hundreds of
 * schemas and uses nearly each of them once, so none is compiled into a program; what most
 * starts do not read stands in `z.lazy`, and is made when something is read with it.
 */
import { config } from 'zod/mini';
import english from 'zod/v4/locales/en.js';

config({ ...english(), jitless: true });

export * as z from 'zod/mini';
