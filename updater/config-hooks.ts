/** The tables of the configuration for what happens around a switch: checks, quiescing, snapshots. */
import { z } from '@landfall/manifest';
import { argv, duration, path, serviceManager, serviceName } from './config-values.ts';

/** `[[quiesce]]`: a service that must not run while releases change. */
export const quiesceSchema = z.lazy(() =>
  z
    .strictObject({
      name: serviceName,
      manager: serviceManager,
      /** For manager "command": both can be run twice. No shell. */
      stop: z.optional(argv),
      start: z.optional(argv),
      timeout: z.prefault(duration, '30s'),
    })
    .check(
      z.superRefine((service, context) => {
        for (const key of ['stop', 'start'] as const) {
          if ((service.manager === 'command') === (service[key] !== undefined)) continue;
          const message = 'expected with manager "command", and with no other';
          context.addIssue({ code: 'custom', path: [key], message });
        }
      }),
    ),
);

/** `[[checks]]`: a program of the operator's that looks at a release before it is switched to. */
export const checkSchema = z.lazy(() =>
  z.strictObject({
    name: serviceName,
    /** Run in the deployment's folder; no shell. */
    command: argv,
    timeout: z.prefault(duration, '30s'),
    /** Its output must name the release's version. */
    expect_version: z._default(z.boolean(), false),
  }),
);

const common = {
  /** How many are kept. */
  keep: z._default(z.int().check(z.minimum(1), z.maximum(1000)), 3),
  /** Whether a release is installed without one, when it cannot be made. */
  required: z._default(z.boolean(), true),
  timeout: z.prefault(duration, '5m'),
};

/** `[snapshot]`: of the data that releases change; never of the deployments. */
export const snapshotSchema = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('command'),
      /** Each gets the snapshot's name in LANDFALL_SNAPSHOT. */
      create: argv,
      restore: z.optional(argv),
      remove: z.optional(argv),
      ...common,
    }),
    z.strictObject({
      type: z.literal('btrfs'),
      subvolume: path,
      /** A folder on the same file system; `.landfall-snapshots` beside the subvolume unless told. */
      snapshots: z.optional(path),
      ...common,
    }),
    z.strictObject({
      type: z.literal('zfs'),
      dataset: z
        .string()
        .check(
          z.regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,200}$/, 'expected a dataset such as tank/data'),
        ),
      ...common,
    }),
  ]),
);

/** One `[[quiesce]]` with its defaults; `timeout` in milliseconds. */
export type QuiesceConfig = z.infer<typeof quiesceSchema>;
/** `[snapshot]` with its defaults; `timeout` in milliseconds. */
export type SnapshotConfig = z.infer<typeof snapshotSchema>;
