/**
 * A listr2 renderer for logs: one line when a step ends, its kept lines
 * indented below each other as they come, no colours, to standard error.
 */
import { type ListrRenderer, ListrTaskEventType, ListrTaskState } from 'listr2';

type Tasks = ConstructorParameters<typeof ListrRenderer>[0];

/** A line for each step when it ends: done, failed, or skipped and why. */
export class PlainRenderer implements ListrRenderer {
  static readonly nonTTY = true;
  static readonly rendererOptions = {};
  static readonly rendererTaskOptions = {};
  readonly #tasks: Tasks;

  constructor(tasks: Tasks) {
    this.#tasks = tasks;
  }

  /** Listens; nothing is drawn ahead of what happens. */
  render(): void {
    for (const task of this.#tasks) {
      const title = (): string => task.title ?? '';
      task.on(ListrTaskEventType.OUTPUT, (line) => print(`    ${line}`));
      task.on(ListrTaskEventType.STATE, (state) => {
        if (state === ListrTaskState.COMPLETED) print(`✔ ${title()}`);
        if (state === ListrTaskState.FAILED) print(`✖ ${title()}`);
        if (state === ListrTaskState.SKIPPED)
          print(`- ${title()}: ${task.message.skip ?? 'nothing to do'}`);
      });
    }
  }

  end(): void {}
}

function print(line: string): void {
  process.stderr.write(`${line}\n`);
}
