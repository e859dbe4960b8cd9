import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { listenTcp, reserveAddress } from "./listen-tcp.ts";

const handlers = { onConnection: () => undefined, onFailure: () => undefined };

test.each(["127.0.0.1", "::1"])(
  "ports that the kernel chose on %s are chosen for nobody else until they are released",
  async (own) => {
    // Of the 14,000 that it chooses from, 500 would have some in common.
    const reserved = await Promise.all(Array.from({ length: 500 }, () => reserveAddress({ address: own, port: 0 })));
    const ports = new Set(reserved.map(({ address }) => address.port));
    expect([ports.size, ports.has(0)]).toEqual([reserved.length, false]);
    await Promise.all(reserved.map((each) => each.release()));
  },
);

test("a reserved port is taken by all who share it, and stays theirs when it is released", async () => {
  const reserved = await reserveAddress({ address: "127.0.0.1", port: 0 });
  const { address, port } = reserved.address;
  const listeners = [1, 2, 3, 4].map(() => listenTcp({ address, port, shared: true }, handlers));
  await reserved.release();
  await expect(reserveAddress({ address, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await Promise.all(listeners.map((each) => each.close()));
  expect((await reserveAddress({ address, port })).address).toEqual({ address, port });
});

test("a reserved port accepts nobody itself: all go to who listens", async () => {
  const reserved = await reserveAddress({ address: "127.0.0.1", port: 0 });
  const { address, port } = reserved.address;
  let accepted = 0;
  const onConnection = () => void accepted++;
  const listener = listenTcp({ address, port, shared: true }, { ...handlers, onConnection });
  const clients = Array.from({ length: 50 }, () => connect({ host: address, port }));
  await Promise.all(clients.map((each) => once(each, "connect")));
  await expect.poll(() => accepted).toBe(clients.length);
  for (const client of clients) client.destroy();
  await reserved.release();
  await listener.close();
});

test("an address that somebody shares is an error, although it could be shared with them", async () => {
  const other = listenTcp({ address: "127.0.0.1", port: 0, shared: true }, handlers);
  const { port } = other.address;
  await expect(reserveAddress({ address: "127.0.0.1", port })).rejects.toMatchObject({ code: "EADDRINUSE", port });
  await other.close();
});

test("an address that is not this host's is an error that names it", async () => {
  await expect(reserveAddress({ address: "192.0.2.1", port: 0 })).rejects.toThrow(/EADDRNOTAVAIL.*192\.0\.2\.1:0/);
});
