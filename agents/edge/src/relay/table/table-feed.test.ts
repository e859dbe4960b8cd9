import { expect, test } from "vitest";
import { routeObject, routeUid, settingsObject } from "../../../../../test/harness/table-objects.ts";
import type { TableObject } from "../relay.ts";
import { TableFeed } from "./table-feed.ts";

const backends = (port: number) => [{ host: "127.0.0.1", port }];
const routes = (count: number, hostnames: number, port: number): TableObject[] =>
  Array.from({ length: count }, (_, i) =>
    routeObject(`r${i}`, {
      hostnames: Array.from({ length: hostnames }, (_, j) => `h${j}.r${i}.test`),
      backends: backends(port),
    }),
  );

test("an edit of few names is made in place, one of many makes a new table that serves the same and the edit", async () => {
  const feed = new TableFeed([], { geo: false });
  const edit = async (objects: TableObject[], removed: string[] = []) => {
    const removals = removed.map((name) => ({ kind: "route" as const, id: routeUid(name) }));
    expect(await feed.apply({ snapshot: false, objects, removals }, { tell: true })).toEqual([]);
    return feed.table!;
  };
  expect(
    await feed.apply(
      { snapshot: true, objects: [settingsObject(), ...routes(60, 100, 1)], removals: [] },
      { tell: true },
    ),
  ).toEqual([]);
  const first = feed.table;
  expect(await edit(routes(2, 100, 2), ["r3"])).toBe(first);
  const second = await edit(routes(40, 100, 3), ["r50"]);
  expect(second).not.toBe(first);
  const port = (name: string): number | undefined =>
    second.route(routeUid(name))?.forwarding.value.tiers[0]?.backends[0]?.port;
  expect([port("r0"), port("r39"), port("r41"), port("r59"), port("r50")]).toEqual([3, 3, 1, 1, undefined]);
});

test("what a large table leaves behind is collected soon after another took its place, without further work", async () => {
  const feed = new TableFeed([], { geo: false });
  const offered = [settingsObject(), ...routes(5_000, 1, 1)];
  const swap = () => feed.apply({ snapshot: true, objects: offered, removals: [] }, { tell: false });
  await swap();
  const first = new WeakRef(feed.table!);
  await swap();
  // By itself V8 begins after 8 s at the earliest.
  await expect.poll(() => first.deref() === undefined, { timeout: 6_000, interval: 500 }).toBe(true);
});
