/**
 * The journal of a version's publications, `.release/<version>.json`: per mirror
 * and artifact what was proven, and when. Written durably as it is proven, so a
 * crash loses at most the last proof, which is then made again.
 *
 * It saves a second reading of what was read back a moment ago by a run that was
 * cut off, and tells people how far a release got. It is never what a mirror's
 * index is moved on alone: what a mirror shows counts, and without this file, or
 * with a corrupt one, everything is read from the mirrors again.
 */
import { join } from 'node:path';
import { preserveCorruptFile, readJsonFile, writeFileDurably } from '@landfall/durable';
import type { ReleaseFile } from '@landfall/manifest';
import type { Mirror } from '@landfall/mirrors';
import type { VerifiedManifest } from '@landfall/trust';
import { z } from 'zod';
import type { Settings } from './config.ts';
import { toSeconds } from './time.ts';
import { workspaceOf } from './workspace.ts';

/** ISO, UTC, whole seconds. */
const time = z.iso.datetime();

const proofSchema = z.object({
  size: z.int(),
  sha256: z.string(),
  /** The mirror took it, and holds it once. */
  uploaded: time.optional(),
  /** An anonymous reader got these very bytes, and the gate let them pass. */
  readBack: time.optional(),
});

const mirrorSchema = z.object({
  address: z.string(),
  artifacts: z.record(z.string(), proofSchema),
  /** The index was read back anonymously and verified. */
  indexed: time.optional(),
});

const publicationSchema = z.object({
  channel: z.string(),
  sequence: z.int(),
  /** SHA-256 of the manifest, in hex. */
  sha256: z.string(),
  mirrors: z.record(z.string(), mirrorSchema),
});

const journalSchema = z.object({
  schema: z.literal(1),
  version: z.string(),
  /** One for each manifest of the version, in the order in which they were begun. */
  publications: z.array(publicationSchema),
});

/** What was proven of one manifest. */
export type ProvenPublication = z.infer<typeof publicationSchema>;
type JournalFile = z.infer<typeof journalSchema>;

/** A proof is believed so long, and then made again. */
const BELIEVED_MS = 60 * 60 * 1000;
/** Renewals add up; older ones are left out. */
const MAX_PUBLICATIONS = 50;

/** Where a version's journal is. */
export function proofsPath(settings: Settings, version: string): string {
  return join(workspaceOf(settings), `${version}.json`);
}

/** What is known of a version's publications; empty when there is no journal that can be read. */
export function readProofs(settings: Settings, version: string): readonly ProvenPublication[] {
  const read = readJsonFile(proofsPath(settings, version), journalSchema);
  return read.state === 'ok' ? read.value.publications : [];
}

/** Whether any mirror was seen to serve this manifest. */
export function wasPublished(settings: Settings, version: string, sha256: string): boolean {
  return readProofs(settings, version).some(
    (each) =>
      each.sha256 === sha256 &&
      Object.values(each.mirrors).some(({ indexed }) => indexed !== undefined),
  );
}

/** The journal of one publication while it is under way. */
export class Proofs {
  readonly #path: string;
  readonly #file: JournalFile;
  readonly #publication: ProvenPublication;

  private constructor(path: string, file: JournalFile, publication: ProvenPublication) {
    this.#path = path;
    this.#file = file;
    this.#publication = publication;
  }

  /** Opens the journal of a manifest's version. `aside`: where a corrupt one was put. */
  static open(
    settings: Settings,
    { manifest, sha256 }: VerifiedManifest,
  ): { proofs: Proofs; aside: string | undefined } {
    const { version, channel, sequence } = manifest;
    const path = proofsPath(settings, version);
    const read = readJsonFile(path, journalSchema);
    const aside = read.state === 'corrupt' ? preserveCorruptFile(path) : undefined;
    const file: JournalFile =
      read.state === 'ok' ? read.value : { schema: 1, version, publications: [] };
    let publication = file.publications.find((each) => each.sha256 === sha256);
    if (publication === undefined) {
      publication = { channel, sequence, sha256, mirrors: {} };
      file.publications = [...file.publications, publication].slice(-MAX_PUBLICATIONS);
    }
    return { proofs: new Proofs(path, file, publication), aside };
  }

  /** An artifact is on the mirror, or an anonymous reader got it. */
  note(mirror: Mirror, artifact: ReleaseFile, what: 'uploaded' | 'readBack'): void {
    const { file, size, sha256 } = artifact;
    const { artifacts } = this.#of(mirror);
    const earlier = artifacts[file]?.sha256 === sha256 ? artifacts[file] : {};
    artifacts[file] = { ...earlier, size, sha256, [what]: now() };
    this.#save();
  }

  /** The mirror showed something else than was proven. */
  forget(mirror: Mirror, { file }: ReleaseFile): void {
    const entry = this.#of(mirror);
    if (entry.artifacts[file] === undefined) return;
    delete entry.artifacts[file];
    delete entry.indexed;
    this.#save();
  }

  noteIndexed(mirror: Mirror): void {
    this.#of(mirror).indexed = now();
    this.#save();
  }

  /** Whether these bytes were read back from this mirror, at this address, a moment ago. */
  isFresh(mirror: Mirror, { file, sha256 }: ReleaseFile): boolean {
    const entry = this.#publication.mirrors[mirror.name];
    const proof = entry?.artifacts[file];
    if (entry?.address !== mirror.address || proof?.sha256 !== sha256) return false;
    const age = Date.now() - Date.parse(proof.readBack ?? '');
    return age >= 0 && age < BELIEVED_MS;
  }

  #of({ name, address }: Mirror): ProvenPublication['mirrors'][string] {
    const { mirrors } = this.#publication;
    const known = mirrors[name];
    if (known?.address === address) return known;
    return (mirrors[name] = { address, artifacts: {} });
  }

  #save(): void {
    writeFileDurably(this.#path, `${JSON.stringify(this.#file, null, 2)}\n`, { mode: 0o644 });
  }
}

function now(): string {
  return toSeconds(new Date());
}
