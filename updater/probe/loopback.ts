/**
 * Never probe beyond this machine: a node without internet is not a broken
 * release, and a probe is a request that root makes.
 */

/** Whether a URL's host (as `URL` normalises it) can only be this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Whether an address that a name resolved to is this machine. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}
