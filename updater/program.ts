/** What starts of this program are told by: options that all commands take, flags that are no commands. */
import type { OptionSpec } from '@landfall/cli';

/** The node's configuration, unless told. */
export const DEFAULT_CONFIG_PATH = '/etc/landfall/updater.toml';

/** Options that every command takes. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: { value: 'FILE', help: `the node's configuration; ${DEFAULT_CONFIG_PATH} unless told` },
};

/** First argument of this program when it is to be the process that looks as the web server's user. */
export const GATE_FLAG = '--gate-as';

/** First argument of this program when it is to be the process that unpacks. */
export const UNPACK_FLAG = '--unpack';

/** First argument of this program when it is to be the process that makes one round of `run`. */
export const ROUND_FLAG = '--round';

/** First argument of this program when it is to be the process that unpacks a delta's frames. */
export const INFLATE_FLAG = '--inflate';
