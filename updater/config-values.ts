/** What the values of the configuration are made of: each a zod schema with words for people. */
import { isAbsolute } from 'node:path';
import { parseDuration } from '@landfall/cli';
import { parseBandwidth } from '@landfall/mirrors';
import { isSlug, z } from '@landfall/manifest';

/** `90s`, `10m` … as milliseconds. */
export const duration = z.pipe(
  z.string('expected a duration such as "90s"'),
  z.transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    const message = `expected a duration such as "90s", found "${text}"`;
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  }),
);

/** `2MB/s`, `500K` … as bytes a second. */
export const bandwidth = z.pipe(
  z.string('expected bytes a second such as "2MB/s"'),
  z.transform((text, context) => {
    const bytes = parseBandwidth(text);
    if (bytes !== undefined) return bytes;
    const message = `expected bytes a second such as "2MB/s", found "${text}"`;
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  }),
);

/** An absolute path other than `/`. */
export const path = z
  .string()
  .check(z.refine((text) => isAbsolute(text) && text !== '/', 'expected an absolute path'));

/** The name of a component, and of an app, as manifests have it. */
export const component = z
  .string()
  .check(z.refine(isSlug, 'expected the name of a component such as web-ui'));

/** A program and its arguments; no shell. */
export const argv = z
  .array(z.string())
  .check(z.minLength(1, 'expected a program and its arguments'));

/** As a service manager knows it. Never begins with a dash: it is an argument of programs. */
export const serviceName = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,127}$/, 'expected the name of a service'));

/** Who starts and stops a service; `command`: programs that the configuration names. */
export const serviceManager = z.enum(['systemd', 'openrc', 'command']);
