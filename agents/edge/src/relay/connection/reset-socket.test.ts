import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { resetSocket } from "./reset-socket.ts";

const descriptors = (): number => readdirSync("/proc/self/fd").length;

test("closes the descriptor of a socket that is reset while its FIN is being sent", async () => {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const before = descriptors();
  for (let i = 0; i < 20; i++) {
    const client = connect({ host: "127.0.0.1", port });
    client.on("error", () => undefined).resume();
    const [socket] = (await once(server, "connection")) as [Socket];
    const errors: Error[] = [];
    socket.on("error", (error) => errors.push(error)).resume();
    socket.end("last words");
    resetSocket(socket);
    await Promise.all([once(socket, "close"), client.closed ? null : once(client, "close")]);
    expect(errors).toEqual([]);
  }
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
  server.close();
});
