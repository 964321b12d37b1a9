/** Where an answer sends us, and which origins a configuration may name for that. */

/** An answer as far as it can redirect. */
interface Redirecting {
  statusCode: number;
  headers: { location?: string | string[] | undefined };
}

/** The address that `answer` to a request of `from` redirects to; undefined when it does not. */
export function redirectTarget(answer: Redirecting, from: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return undefined;
  const { location } = answer.headers;
  const target = Array.isArray(location) ? location[0] : location;
  return target !== undefined && URL.canParse(target, from.href)
    ? new URL(target, from.href)
    : undefined;
}

/** Whether `text` is an origin and nothing more: `https://objects.example.org`. */
export function isOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === text;
}
