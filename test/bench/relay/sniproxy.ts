import { accepting, freePort, installed } from "./lab.ts";
import { type ProxyKind } from "./proxy.ts";

/** One thread, however many workers the others have: it knows no more. */
export const sniproxy: ProxyKind = {
  name: "sniproxy",
  version: () => installed("sniproxy", "-V"),
  async start(lab, job) {
    const port = await freePort();
    const names = [...job.backends].map(
      ([name, backend]) => `  ^${name.replaceAll(".", String.raw`\.`)}$ 127.0.0.1:${backend}\n`,
    );
    const config = `
user root
listener 127.0.0.1:${port} {
  protocol tls
  table bench
}
table bench {
${names.join("")}}
`;
    const started = lab.start("sniproxy", ["-f", "-c", lab.file("sniproxy.conf", config)], job.place);
    await accepting(port, started);
    return { name: this.name, port: () => port, pid: started.pid };
  },
};
