/** Runs git in a folder as somebody, without this machine's own variables. What it prints, trimmed. */
import { execFileSync } from 'node:child_process';
import { cleanEnvironment } from './command.ts';

export function git(directory: string, ...args: string[]): string {
  const who = ['-c', 'user.name=T', '-c', 'user.email=t@localhost'];
  const env = cleanEnvironment();
  return execFileSync('git', ['-C', directory, ...who, ...args], { env, encoding: 'utf8' }).trim();
}
