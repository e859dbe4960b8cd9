import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { describeListenError } from "./port-in-use.ts";

test("names the address, the variable and the process that holds the port", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const [error] = await once(createServer().listen(port, "127.0.0.1"), "error").catch((reason: unknown) => [reason]);
  const message = describeListenError(error, "HELLOWAY_EDGE_LISTEN", `127.0.0.1:${port}`).message;
  expect(message).toContain(`127.0.0.1:${port} (HELLOWAY_EDGE_LISTEN) is already in use`);
  if (process.platform === "linux") expect(message).toContain(`by pid ${process.pid} (`);
  holder.close();
});

test("names an address that is not of this machine", async () => {
  const [error] = await once(createServer().listen(0, "192.0.2.1"), "error").catch((reason: unknown) => [reason]);
  expect(describeListenError(error, "HELLOWAY_HTTP_ADDRESS", "192.0.2.1:80").message).toBe(
    "192.0.2.1:80 (HELLOWAY_HTTP_ADDRESS) is not an address of this machine",
  );
});
