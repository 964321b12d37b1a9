/** A mirror's name in messages: once, and only where it is needed. */
import { expect, it } from 'vitest';
import { MirrorError, withoutName } from '../../mirrors/errors.ts';

it.each(['north', "o'north", '$&', '$1 (x)', ''])("takes the name '%s' away again", (name) => {
  const { message } = new MirrorError('TIMEOUT', name, 'is late');
  expect(message).toBe(name === '' ? 'is late' : `mirror '${name}': is late`);
  expect(withoutName(message, name)).toBe('is late');
});

it.each([
  "mirror 'south': is late",
  "it is late: mirror 'north': no answer",
  "mirror 'north' is late",
])('leaves alone what does not begin with the name: %s', (message) => {
  expect(withoutName(message, 'north')).toBe(message);
});
