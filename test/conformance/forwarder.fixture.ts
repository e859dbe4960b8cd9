// A TCP forwarder that knows nothing of TLS, as a process of its own: network-namespace.ts says what for. Started with where it
// listens, where it forwards to (a path, or an address and port), and the address that its connections come from (null: any), each in
// JSON; says over IPC when it does, and how many have come.
import { connect, createServer } from "node:net";
import type { ListenerAddress } from "@helloway/edge/relay/relay";

export type ForwarderArguments = [from: string | ListenerAddress, to: string | ListenerAddress, source: string | null];

const [from, to, source] = process.argv.slice(2).map((each) => JSON.parse(each) as unknown) as ForwarderArguments;
const local = source === null ? {} : { localAddress: source };
const target = typeof to === "string" ? { path: to } : { host: to.address, port: to.port, ...local };
let count = 0;

const server = createServer({ allowHalfOpen: true }, (client) => {
  count++;
  const upstream = connect({ ...target, allowHalfOpen: true });
  client.on("error", () => upstream.resetAndDestroy());
  upstream.on("error", () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
});
const said = (): unknown => process.send?.(count);
if (typeof from === "string") server.listen(from, said);
else server.listen({ host: from.address, port: from.port, backlog: 1_024 }, said);
process.on("message", said);
process.on("disconnect", () => process.exit());
