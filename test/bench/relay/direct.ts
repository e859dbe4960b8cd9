import type { Proxy, ProxyJob } from "./proxy.ts";

/** The same work without a proxy. */
export function direct(job: ProxyJob): Proxy {
  const port = (name: string): number => {
    const backend = job.backends.get(name);
    if (backend === undefined) throw new Error(`no backend serves ${name}`);
    return backend;
  };
  return { name: "direct", port, pid: null };
}
