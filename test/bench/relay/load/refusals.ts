import { once } from "node:events";
import type { Refusals, Work } from "../work.ts";
import { answer, open } from "./request.ts";

type RefusalWork = Extract<Work, { do: "refusals" }>;

/** A handshake record of 65,535 bytes; 16,384 are the most there can be. */
const IMPOSSIBLE = Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff]);
const ALERT = 0x15;
/** What comes before the last byte is there and read by then. */
const BEFORE_LAST_MS = 5;

/** @throws when anything but an alert is the answer. */
export async function refusals({ port, samples }: RefusalWork): Promise<Refusals> {
  const took: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const socket = open(port);
    await once(socket, "connect");
    socket.write(IMPOSSIBLE.subarray(0, 4));
    await new Promise((resolve) => setTimeout(resolve, BEFORE_LAST_MS));
    const started = performance.now();
    socket.write(IMPOSSIBLE.subarray(4));
    const bytes = await answer(socket);
    took.push(performance.now() - started);
    if (bytes[0] !== ALERT) throw new Error(`an impossible length was answered with ${bytes.toString("hex")}`);
    socket.end();
    await once(socket, "close");
  }
  return { took };
}
