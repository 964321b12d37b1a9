/** `release notes [VERSION]`: what the changelog says of a version. */
import type { Command } from '@landfall/cli';
import { loadSettings } from '../load-config.ts';
import { readNotes } from '../notes.ts';
import { versionOf } from '../version.ts';

/** `release notes [VERSION]`: prints what the changelog says, or throws NOTES_MISSING. */
export const notesCommand: Command = {
  name: 'notes',
  args: '[VERSION]',
  arity: [0, 1],
  summary: "print the changelog's section of a version",
  details: [
    "VERSION is that of the project's package.json unless told. The file is CHANGELOG.md, or the one",
    "that the configuration names: notes: { changelog: 'CHANGES.md' }. 'release ship' puts the same",
    "text into the manifest, unless 'notes' of the configuration is a text of its own.",
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const version = versionOf(context.positionals[0], settings.directory);
    const notes = readNotes(settings, version);
    context.result({ version, notes }, notes);
  },
};
