/** What a configuration may import by name, and where it stands. A bundle puts its own files here. */
export const OURS: Readonly<Record<string, string>> = {
  '@landfall/mirrors': new URL('./index.ts', import.meta.url).href,
  '@landfall/release': new URL('../release/index.ts', import.meta.url).href,
};
