import { expect, test } from "vitest";
import { EvictedClients } from "./evicted-clients.ts";

test("closes its oldest for each client that is one too many, and nobody when somebody has left", () => {
  const clients = new EvictedClients(2);
  const closed: string[] = [];
  const client = (name: string) => {
    const self = {
      evict: () => {
        closed.push(name);
        clients.remove(self);
      },
    };
    return self;
  };
  const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(client);
  for (const each of [a, b, c]) clients.add(each!);
  expect(closed).toEqual(["a"]);
  clients.remove(b!);
  clients.add(d!);
  expect(closed).toEqual(["a"]);
  clients.add(e!);
  expect(closed).toEqual(["a", "c"]);
});
