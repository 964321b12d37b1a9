/** The tables of the configuration for when releases are taken. */
import { z } from '@landfall/manifest';
import { DAYS, isTimezone } from './policy/windows.ts';

const time = (pattern: RegExp): z.ZodMiniString =>
  z.string().check(z.regex(pattern, 'expected a time of the day such as "02:00"'));

/** `[[windows]]`: releases are installed inside one of them only. */
export const windowSchema = z.lazy(() =>
  z
    .strictObject({
      days: z._default(z.array(z.enum(DAYS)).check(z.minLength(1, 'expected at least one day')), [
        ...DAYS,
      ]),
      from: time(/^(?:[01]\d|2[0-3]):[0-5]\d$/),
      to: time(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/),
      timezone: z._default(
        z
          .string()
          .check(
            z.refine(isTimezone, 'expected "local", "UTC" or a time zone such as "Europe/Berlin"'),
          ),
        'local',
      ),
    })
    .check(
      z.refine(({ from, to }) => from !== to, {
        path: ['to'],
        message: 'expected another time than \'from\'; a whole day is from "00:00" to "24:00"',
      }),
    ),
);
