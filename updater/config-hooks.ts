/** The tables of the configuration for what happens around a switch: checks, quiescing, snapshots. */
import { z } from 'zod';
import { argv, duration, path, serviceManager, serviceName } from './config-values.ts';

/** `[[quiesce]]`: a service that must not run while releases change. */
export const quiesceSchema = z
  .strictObject({
    name: serviceName,
    manager: serviceManager,
    /** For manager "command": both can be run twice. No shell. */
    stop: argv.optional(),
    start: argv.optional(),
    timeout: duration.prefault('30s'),
  })
  .superRefine((service, context) => {
    for (const key of ['stop', 'start'] as const) {
      if ((service.manager === 'command') === (service[key] !== undefined)) continue;
      const message = 'expected with manager "command", and with no other';
      context.addIssue({ code: 'custom', path: [key], message });
    }
  });

/** `[[checks]]`: a program of the operator's that looks at a release before it is switched to. */
export const checkSchema = z.strictObject({
  name: serviceName,
  /** Run in the deployment's folder; no shell. */
  command: argv,
  timeout: duration.prefault('30s'),
  /** Its output must name the release's version. */
  expect_version: z.boolean().default(false),
});

const common = {
  /** How many are kept. */
  keep: z.int().min(1).max(1000).default(3),
  /** Whether a release is installed without one, when it cannot be made. */
  required: z.boolean().default(true),
  timeout: duration.prefault('5m'),
};

/** `[snapshot]`: of the data that releases change; never of the deployments. */
export const snapshotSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('command'),
    /** Each gets the snapshot's name in LANDFALL_SNAPSHOT. */
    create: argv,
    restore: argv.optional(),
    remove: argv.optional(),
    ...common,
  }),
  z.strictObject({
    type: z.literal('btrfs'),
    subvolume: path,
    /** A folder on the same file system; `.landfall-snapshots` beside the subvolume unless told. */
    snapshots: path.optional(),
    ...common,
  }),
  z.strictObject({
    type: z.literal('zfs'),
    dataset: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,200}$/, 'expected a dataset such as tank/data'),
    ...common,
  }),
]);

export type QuiesceConfig = z.infer<typeof quiesceSchema>;
export type SnapshotConfig = z.infer<typeof snapshotSchema>;
