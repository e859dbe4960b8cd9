// A TCP forwarder that knows nothing of TLS, as a process of its own: network-namespace.ts says what for. Started with where it
// listens (a path, or an address and port in JSON) and where it forwards to; says over IPC when it does, and how many have come.
import { connect, createServer } from "node:net";
import type { ListenerAddress } from "@helloway/edge/relay/relay";

const [from, to] = process.argv.slice(2) as [string, string];
const target = JSON.parse(to) as ListenerAddress;
let count = 0;

const server = createServer({ allowHalfOpen: true }, (client) => {
  count++;
  const upstream = connect({ host: target.address, port: target.port, allowHalfOpen: true });
  client.on("error", () => upstream.resetAndDestroy());
  upstream.on("error", () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
});
const said = (): unknown => process.send?.(count);
if (from.startsWith("/")) server.listen(from, said);
else {
  const { address, port } = JSON.parse(from) as ListenerAddress;
  server.listen({ host: address, port, backlog: 1_024 }, said);
}
process.on("message", said);
process.on("disconnect", () => process.exit());
