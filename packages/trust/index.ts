/**
 * Whether a manifest is to be believed.
 *
 * Parties: maintainers hold release keys; a node holds their public keys and
 * how many must agree; mirrors hold files and are believed in nothing. The
 * order is fixed: signatures over the exact bytes, then parsing, then app and
 * channel (`verifyManifest`), then the floor, then the expiry.
 *
 * Root keys say whose the release keys are: a root document lists both, and is
 * replaced step by step (`verifyNextRoot`) without a word to the nodes.
 */
export { TrustError } from './errors.ts';
export { distinctKeys, type TrustPolicy } from './policy.ts';
export { MAX_SIGNATURES, verifySignatures } from './signatures.ts';
export { verifyManifest, type ExpectedManifest, type VerifiedManifest } from './manifest.ts';
export { verifyHalt, type VerifiedHalt } from './halt.ts';
export { type Authority, type ChannelTrust, isRoot, trustIn } from './authority.ts';
export { rootPath, type RootDocument } from '@landfall/manifest';
export {
  checkRootExpiry,
  parseRoot,
  policyFor,
  rootPolicy,
  serializeRoot,
  verifyFirstRoot,
  verifyNextRoot,
  type VerifiedRoot,
} from './root.ts';
export { checkExpiry, checkFloor, checkJump, type Floor } from './freshness.ts';
export { readTime, type ClockState, type TimeReading } from './time.ts';
