/** From an effect's name to the code that carries it out, and to the event that tells what became of it. */
import type { Deployment } from '../facts.ts';
import { findGolden } from '../golden.ts';
import { findHarm } from '../heal/harm.ts';
import { timestamp, type Host } from '../host.ts';
import type { Effect, Event } from '../machine.ts';
import type { Offer } from '../offer.ts';
import { beginWatch } from '../probation.ts';
import { readGolden } from '../records/golden-file.ts';
import { windowLeft } from '../records/marker-file.ts';
import { runChecks } from './checks.ts';
import { whileAtWork } from '../trace.ts';
import { postpone } from '../waiting.ts';
import { mark } from './mark.ts';
import { preflight } from './preflight.ts';
import { probeBaseline, probeDeployment, probeInstalled } from './probe.ts';
import { quiesce, unquiesce } from './quiesce.ts';
import { restartServices } from './services.ts';
import { pruneSnapshots, restoreSnapshot, takeSnapshot } from './snapshot.ts';
import { stage } from './stage.ts';
import { switchOrMakeRoom } from './switch.ts';
import { tidy } from './tidy.ts';

/**
 * Carries `effect` out. When it returns, what it did is on the disk. Resolves
 * to the event that follows from it, if one does. `offer` is the release that
 * `preflight` and `stage` speak of.
 */
export async function carryOut(
  host: Host,
  effect: Effect,
  offer: Offer | undefined,
): Promise<Event | undefined> {
  // What is downloaded leaves traces of its own, and is not to be believed to get on without.
  if (effect.kind === 'stage') return stageAndCheck(host, need(offer));
  return whileAtWork(host.paths, async () => carryOutAtOnce(host, effect, offer));
}

async function stageAndCheck(host: Host, offer: Offer): Promise<Event> {
  await stage(host, offer);
  await whileAtWork(host.paths, async () => runChecks(host, offer));
  return { name: 'staged' };
}

/** All but `stage`: what other programs do in it has a bound of its own. */
async function carryOutAtOnce(
  host: Host,
  effect: Exclude<Effect, { kind: 'stage' }>,
  offer: Offer | undefined,
): Promise<Event | undefined> {
  const { config, store } = host;
  switch (effect.kind) {
    case 'preflight': {
      await preflight(host, need(offer));
      const { from } = effect;
      const baseline = from === undefined ? undefined : await probeBaseline(host, from);
      return { name: 'cleared', baseline };
    }
    case 'write-marker':
      return mark(host, effect);
    case 'remove-marker':
      store.removeMarker();
      return undefined;
    case 'switch':
      switchOrMakeRoom(host, effect.to);
      return { name: 'switched' };
    case 'quiesce':
      await quiesce(host);
      return undefined;
    case 'unquiesce':
      await unquiesce(host);
      return undefined;
    case 'snapshot':
      await takeSnapshot(host, effect);
      return undefined;
    case 'restore-snapshot':
      await restoreSnapshot(host, effect);
      return undefined;
    case 'restart-services': {
      const problem = await restartServices(host, effect.deployment);
      const still = await unquiesce(host);
      const reason = problem?.reason ?? still;
      const at = timestamp();
      return reason === undefined
        ? { name: 'restarted', at }
        : { name: 'restart-failed', reason, blame: problem?.blame, at };
    }
    case 'probe': {
      const { window } = config.probe;
      // Going back, the marker may be that of the release that is left, on a disk that takes no other.
      const outcome =
        effect.whole === true
          ? await probeInstalled(host, effect.deployment, window)
          : await probeDeployment(host, effect.deployment, windowLeft(store.marker, window));
      const damage = effect.whole === true ? damageOf(host, effect.deployment) : undefined;
      const until = timestamp(config.probation);
      return { name: 'probed', outcome, at: timestamp(), until, damage };
    }
    case 'seek-golden':
      return { name: 'golden', to: findGolden(host, effect.beside), at: timestamp() };
    case 'watch':
      await beginWatch(host, effect.deployment);
      return undefined;
    case 'quarantine':
      store.quarantineRelease(effect, timestamp());
      return undefined;
    case 'postpone':
      postpone(host, 'install', effect.deployment, effect.reason);
      return undefined;
    case 'save-state':
      store.saveState(effect.state);
      return undefined;
    default:
      tidy(host);
      await pruneSnapshots(host);
      return undefined;
  }
}

/** Only where it matters is a whole deployment read: where there is something else to go to, and files are looked after. */
function damageOf({ paths, config }: Host, deployment: Deployment): string | undefined {
  const matters = config.heal.enabled && readGolden(paths.golden) !== undefined;
  return matters ? findHarm(paths, deployment) : undefined;
}

function need(offer: Offer | undefined): Offer {
  if (offer === undefined) throw new TypeError('expected an offer with this effect');
  return offer;
}
