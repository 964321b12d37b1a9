/** What the values of the configuration are made of: each a zod schema with words for people. */
import { isAbsolute } from 'node:path';
import { parseDuration } from '@landfall/cli';
import { parseBandwidth } from '@landfall/mirrors';
import { z } from 'zod';

/** `90s`, `10m` … as milliseconds. */
export const duration = z.string('expected a duration such as "90s"').transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  context.addIssue(`expected a duration such as "90s", found "${text}"`);
  return z.NEVER;
});

/** `2MB/s`, `500K` … as bytes a second. */
export const bandwidth = z
  .string('expected bytes a second such as "2MB/s"')
  .transform((text, context) => {
    const bytes = parseBandwidth(text);
    if (bytes !== undefined) return bytes;
    context.addIssue(`expected bytes a second such as "2MB/s", found "${text}"`);
    return z.NEVER;
  });

/** An absolute path other than `/`. */
export const path = z
  .string()
  .refine((text) => isAbsolute(text) && text !== '/', 'expected an absolute path');

export const component = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'expected the name of a component such as web-ui');

/** A program and its arguments; no shell. */
export const argv = z.array(z.string()).min(1, 'expected a program and its arguments');

/** As a service manager knows it. Never begins with a dash: it is an argument of programs. */
export const serviceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,127}$/, 'expected the name of a service');

export const serviceManager = z.enum(['systemd', 'openrc', 'command']);
