/**
 * Shows a list of steps while it runs: live on a terminal, as plain lines
 * elsewhere, not at all with `--json`. Progress goes to standard error; the
 * result of a command is not printed here.
 */
import {
  DefaultRenderer,
  Listr,
  type ListrDefaultRendererLogLevels,
  ListrLogger,
  type ListrTask,
  ProcessOutput,
} from 'listr2';
import { canDraw } from '@landfall/cli';
import { PlainRenderer } from './plain-renderer.ts';

/** One step of a list. `State` is what the steps of one run share. */
export interface Step<State> {
  /** What it does, as a verb phrase: `upload the artifacts`. */
  readonly title: string;
  /** Whether it belongs into this run at all; asked right before. It is not shown otherwise. */
  when?(state: State): boolean;
  /** Why there is nothing to do, or undefined to run it. */
  skip?(state: State): string | undefined;
  run(state: State, show: Show): Promise<void> | void;
  /** It may ask on the terminal: nothing else is drawn meanwhile. */
  readonly asks?: boolean;
}

/** What a step may say while it runs. */
export interface Show {
  /** The outcome, in a few words, after the title. */
  outcome(text: string): void;
  /** A line worth keeping. */
  line(text: string): void;
  /** What `subject` is at; replaced by its next call. Drawn on terminals only. */
  live(subject: string, text: string): void;
}

/** `terminal`: drawn over itself. `plain`: lines as they come. `silent`: nothing at all. */
export type ShowMode = 'terminal' | 'plain' | 'silent';

/** `silent` with `--json`; else what standard error can show. */
export function showModeFor(json: boolean): ShowMode {
  if (json) return 'silent';
  return canDraw(process.stderr) ? 'terminal' : 'plain';
}

/** Runs the steps one after another. Rejects with what a step throws; later steps then do not run. */
export async function runSteps<State>(
  steps: readonly Step<State>[],
  state: State,
  mode: ShowMode,
): Promise<void> {
  for (const group of groupsOf(steps)) {
    const [first] = group;
    if (first?.asks === true) await runAsking(first, state, mode);
    else await listOf(group, mode).run(state);
  }
}

/** Splits where a step may ask, so that its prompt is alone on the screen. */
function groupsOf<State>(steps: readonly Step<State>[]): Step<State>[][] {
  const groups: Step<State>[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last === undefined || step.asks === true || last[0]?.asks === true) groups.push([step]);
    else last.push(step);
  }
  return groups;
}

/** A list for one run. listr2 draws on standard output unless told; ours is for results. */
function listOf<State>(
  steps: readonly Step<State>[],
  mode: ShowMode,
): { run(state: State): Promise<unknown> } {
  const common = { registerSignalListeners: false } as const;
  const tasks = steps.map((step) => taskOf(step, mode));
  if (mode === 'silent')
    return new Listr<State, 'silent'>(tasks, { ...common, renderer: 'silent' });
  if (mode === 'plain') return new Listr(tasks, { ...common, renderer: PlainRenderer });
  const output = new ProcessOutput(process.stderr, process.stdout);
  return new Listr(tasks, {
    ...common,
    renderer: LiveRenderer,
    rendererOptions: {
      showErrorMessage: false,
      collapseErrors: false,
      logger: new ListrLogger<ListrDefaultRendererLogLevels>({
        processOutput: output,
        useIcons: true,
      }),
    },
  });
}

/** listr2's own, which refuses to draw when standard output is a file although it draws elsewhere. */
class LiveRenderer extends DefaultRenderer {
  static override nonTTY = true;
}

function taskOf<State>(step: Step<State>, mode: ShowMode): ListrTask<State> {
  return {
    title: step.title,
    enabled: (state) => step.when?.(state) ?? true,
    skip: (state) => step.skip?.(state) ?? false,
    task: async (state, task) => {
      const lines: string[] = [];
      const live = new Map<string, string>();
      const draw = (): void => {
        task.output = [...lines, ...live.values()].join('\n');
      };
      await step.run(state, {
        outcome: (text) => {
          task.title = `${step.title}: ${text}`;
        },
        line: (text) => {
          lines.push(text);
          if (mode === 'terminal') draw();
          else task.output = text;
        },
        live: (subject, text) => {
          if (mode !== 'terminal') return;
          live.set(subject, `${subject}: ${text}`);
          draw();
        },
      });
      live.clear();
      if (mode === 'terminal') draw();
    },
    rendererOptions: { persistentOutput: true },
  };
}

/** A step that may prompt: its title as plain lines, so that nothing draws over the question. */
async function runAsking<State>(step: Step<State>, state: State, mode: ShowMode): Promise<void> {
  const print = (text: string): void => {
    if (mode !== 'silent') process.stderr.write(`${text}\n`);
  };
  if (step.when?.(state) === false) return;
  const skipped = step.skip?.(state);
  if (skipped !== undefined) return print(`- ${step.title}: ${skipped}`);
  let title = step.title;
  try {
    await step.run(state, {
      outcome: (text) => (title = `${step.title}: ${text}`),
      line: (text) => print(`    ${text}`),
      live: () => {},
    });
  } catch (error) {
    print(`✖ ${title}`);
    throw error;
  }
  print(`✔ ${title}`);
}
