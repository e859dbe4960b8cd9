// A relay of a dozen lines, as Node programs usually have it: reads no hello, has one backend, counts nothing and bounds nothing.
import { connect, createServer } from "node:net";
import { BACKLOG } from "./proxy.ts";

const backend = Number(process.argv[2]);

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ port: backend, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  client.on("error", () => upstream.destroy());
  upstream.on("error", () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
});
server.listen({ port: 0, host: "127.0.0.1", backlog: BACKLOG }, () => {
  process.send?.(server.address());
});
