/**
 * How a release was built, as an in-toto statement with SLSA's provenance as
 * its predicate: which commit and configuration, with which tools, made which
 * bytes. `release verify --rebuild` tries whether that is true.
 * Formats: https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describeIssues, messageOf } from '@landfall/errors';
import { artifactFiles, type Manifest } from '@landfall/manifest';
import { z } from 'zod';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import meta from './package.json' with { type: 'json' };
import type { Source } from './steps/source.ts';
import { toSeconds } from './time.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.iso.datetime();

/** `resolvedDependencies` names the commit (`source`) and the configuration (`config`). */
const dependency = z.looseObject({
  name: z.string(),
  uri: z.string().optional(),
  digest: z.looseObject({ gitCommit: z.string().optional(), sha256: sha256.optional() }),
});

const statementSchema = z.looseObject({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z.array(z.looseObject({ name: z.string(), digest: z.looseObject({ sha256 }) })).min(1),
  predicateType: z.literal('https://slsa.dev/provenance/v1'),
  predicate: z.looseObject({
    buildDefinition: z.looseObject({
      /** Described in docs/formats.md. */
      buildType: z.literal('urn:landfall:build:1'),
      externalParameters: z.looseObject({
        app: z.string(),
        version: z.string(),
        /** Path of the configuration in the source. */
        config: z.string(),
        /** Seconds since 1970: what packed files are dated, and the commands that build are told. */
        sourceDateEpoch: z.int(),
      }),
      resolvedDependencies: z.array(dependency),
    }),
    runDetails: z.looseObject({
      builder: z.looseObject({ id: z.string(), version: z.record(z.string(), z.string()) }),
      metadata: z.looseObject({ startedOn: time, finishedOn: time }),
    }),
  }),
});

/** `provenance/<version>.json` as docs/formats.md has it; times are ISO. Fields may be added. */
export type Provenance = z.infer<typeof statementSchema>;

/** What a statement is about. */
export interface BuiltRelease {
  settings: Settings;
  version: string;
  source: Source;
  components: Manifest['components'];
  begun: Date;
  ended: Date;
}

/** The bytes to be signed: JSON, two spaces, a newline at the end. */
export function composeProvenance(built: BuiltRelease): Uint8Array {
  const { settings, version, source, components } = built;
  const config = createHash('sha256').update(readFileSync(settings.file)).digest('hex');
  const uri = settings.source === undefined ? {} : { uri: `git+${settings.source}` };
  const commit = { name: 'source', ...uri, digest: { gitCommit: source.commit } };
  const statement: Provenance = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: artifactFiles({ components }).map(({ file, sha256: digest }) => ({
      name: file,
      digest: { sha256: digest },
    })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:landfall:build:1',
        externalParameters: {
          app: settings.app,
          version,
          config: `${source.folder}${basename(settings.file)}`,
          sourceDateEpoch: source.mtime,
        },
        resolvedDependencies: [
          ...(source.commit === '' ? [] : [commit]),
          { name: 'config', digest: { sha256: config } },
        ],
      },
      runDetails: {
        builder: {
          id: 'urn:landfall:release',
          version: { landfall: meta.version, node: process.versions.node },
        },
        metadata: { startedOn: toSeconds(built.begun), finishedOn: toSeconds(built.ended) },
      },
    },
  };
  return new TextEncoder().encode(`${JSON.stringify(statement, null, 2)}\n`);
}

/** Reads a statement whose signature was verified. Throws `ReleaseError` PROVENANCE. */
export function parseProvenance(bytes: Uint8Array): Provenance {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw provenanceError(`is not JSON: ${messageOf(error)}`, error);
  }
  const result = statementSchema.safeParse(value);
  if (result.success) return result.data;
  throw provenanceError(`does not fit: ${describeIssues(result.error.issues)}`, result.error);
}

/**
 * Whether a statement is about this very release: it names each of its
 * artifacts with the same digest, the version, the app and the same commit. Of
 * deltas it may say nothing, as older statements do, but nothing else either.
 * The first thing that is not so in words, undefined when all is.
 */
export function contradiction(provenance: Provenance, manifest: Manifest): string | undefined {
  const { externalParameters } = provenance.predicate.buildDefinition;
  const { app, version } = externalParameters;
  if (app !== manifest.app || version !== manifest.version) {
    return `expected ${manifest.app} ${manifest.version}, found ${app} ${version}`;
  }
  const commit = commitOf(provenance);
  if (commit !== manifest.commit) {
    return `expected commit '${manifest.commit}', found '${commit}'`;
  }
  const told = new Map(provenance.subject.map(({ name, digest }) => [name, digest.sha256]));
  for (const { file, sha256: signed, artifact } of artifactFiles(manifest)) {
    const found = told.get(file);
    if (found === undefined && artifact === undefined) continue;
    if (found !== signed) {
      return `'${file}': expected sha256 ${signed.slice(0, 12)}…, found ${found === undefined ? 'nothing about it' : `${found.slice(0, 12)}…`}`;
    }
  }
  return undefined;
}

/** The source commit, or empty when the release was built outside of a checkout. */
export function commitOf(provenance: Provenance): string {
  return digestOf(provenance, 'source')?.gitCommit ?? '';
}

/** SHA-256 of the configuration that it was built with. */
export function configDigestOf(provenance: Provenance): string | undefined {
  return digestOf(provenance, 'config')?.sha256;
}

function digestOf(
  { predicate }: Provenance,
  name: string,
): z.infer<typeof dependency>['digest'] | undefined {
  const { resolvedDependencies } = predicate.buildDefinition;
  return resolvedDependencies.find((each) => each.name === name)?.digest;
}

function provenanceError(what: string, cause: unknown): ReleaseError {
  return new ReleaseError('PROVENANCE', `the provenance ${what}`, {
    cause,
    hint: 'it is signed by a release key: ask who signed it, and with which edition of Landfall',
  });
}
