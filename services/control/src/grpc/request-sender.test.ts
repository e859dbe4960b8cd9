import type { ConnectResponse } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { HellowayError } from "../errors.ts";
import type { EdgeRequestResult, OpenEdgeRequest } from "../fleet/edge-requests.ts";
import { createRequestSender } from "./request-sender.ts";

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

const requestOf = (id: string): OpenEdgeRequest => ({
  id,
  edgeId: "edge",
  session: 1,
  action: { kind: "cut", routeUid: "route-1" },
});

function start(features: string[], record?: () => Promise<void>) {
  const sent: ConnectResponse["message"][] = [];
  const recorded: { id: string; result: EdgeRequestResult }[] = [];
  const sender = createRequestSender({
    edge: "edge-1",
    features,
    send: ({ message }) => sent.push(message),
    record: async (answer) => {
      recorded.push(answer);
      await record?.();
    },
    log: silent,
  });
  return { sender, sent, recorded };
}

test("what stays open is sent once a session", () => {
  const { sender, sent } = start(["cut"]);
  sender.open([requestOf("a")]);
  sender.open([requestOf("a"), requestOf("b")]);
  expect(sent).toMatchObject([
    { case: "request", value: { id: "a", action: { case: "cut", value: { routeUid: "route-1" } } } },
    { case: "request", value: { id: "b" } },
  ]);
});

test("an answer that cannot be written is asked for again", async () => {
  let away = true;
  const { sender, sent, recorded } = start(["cut"], async () => {
    if (away) throw new HellowayError("unavailable", "database_unavailable", "away");
  });
  sender.open([requestOf("a")]);
  sender.answered({ id: "a", result: { connections: 2 } });
  await sender.settled();
  away = false;
  sender.open([requestOf("a")]);
  sender.answered({ id: "a", result: { connections: 2 } });
  await sender.settled();
  expect(sent).toHaveLength(2);
  expect(recorded).toHaveLength(2);
});

test("answers to what was not asked in this session, or not any more, are left out", async () => {
  const { sender, recorded } = start(["cut"]);
  sender.answered({ id: "a", result: { connections: 9 } });
  sender.open([requestOf("b")]);
  sender.answered({ id: "b", result: { connections: 1 } });
  await sender.settled();
  sender.answered({ id: "b", result: { connections: 9 } });
  await sender.settled();
  expect(recorded).toEqual([{ id: "b", result: { connections: 1 } }]);
});

test("what the agent does not know is not sent, and that is the answer", async () => {
  const { sender, sent, recorded } = start([]);
  sender.open([requestOf("a")]);
  await sender.settled();
  expect(sent).toEqual([]);
  expect(recorded).toMatchObject([{ id: "a", result: { error: expect.stringContaining("cut") as string } }]);
});
