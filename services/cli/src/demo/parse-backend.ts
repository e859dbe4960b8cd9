import { ConfigError } from "@helloway/runtime/environment";
import { socketAddress } from "@helloway/runtime/environment-fields";

export interface DemoBackend {
  /** The one name of its certificate, and of its files. */
  name: string;
  host: string;
  /** 0: the one of the last run, else any. */
  port: number;
}

export const defaultBackends: readonly string[] = ["one.localhost=127.0.0.1:0", "two.localhost=127.0.0.1:0"];

/** "one.localhost=127.0.0.1:0". Throws ConfigError naming every text that is not like that. */
export function parseBackends(texts: readonly string[]): DemoBackend[] {
  const problems: string[] = [];
  const backends = new Map<string, DemoBackend>();
  for (const text of texts) {
    const [, name, address] = /^((?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63})=(.+)$/.exec(text) ?? [];
    const parsed = socketAddress.safeParse(address);
    if (name === undefined || !parsed.success) {
      problems.push(`${JSON.stringify(text)} must be name=address:port, for example one.localhost=127.0.0.1:0`);
    } else if (backends.has(name)) {
      problems.push(`${name} is given twice`);
    } else {
      backends.set(name, { name, ...parsed.data });
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return [...backends.values()];
}
