// Parses one large hello byte by byte, as a connection does with each byte that it reads, in a process with nothing else in it. Asked
// for a number of hellos, says how much CPU each took.
import { ReceivedBytes } from "@helloway/edge/relay/connection/received-bytes";
import { HelloParser } from "@helloway/edge/relay/hello/hello-parser";
import {
  clientHello,
  extension,
  extensionTypes,
  record,
  serverName,
  supportedVersions,
} from "../../vectors/hello-bytes.ts";
import { answerAll } from "./ask.ts";

/** As much as one record can have. */
const HELLO_BYTES = 16_384;

/** Milliseconds, one after the other: the first in code that has never run. */
export interface Dripped {
  cpu: number[];
}

const hello = largeHello();
answerAll(async ({ hellos }: { hellos: number }) => ({ cpu: Array.from({ length: hellos }, drip) }) satisfies Dripped);
process.send?.({});

function largeHello(): Uint8Array {
  const sized = (padding: number): Uint8Array => {
    const padded = extension(extensionTypes.padding, new Uint8Array(padding));
    return clientHello({ extensions: [serverName("drip.bench.test"), supportedVersions(0x0304), padded] });
  };
  return record(sized(HELLO_BYTES - sized(0).length));
}

function drip(): number {
  // Each read brings memory of its own, which is the reader's to make.
  const bytes = Array.from(hello, (byte) => Uint8Array.of(byte));
  const before = process.cpuUsage();
  const parser = new HelloParser();
  const received = new ReceivedBytes();
  for (const [at, byte] of bytes.entries()) {
    received.append(byte);
    const { kind } = parser.push(byte);
    const expected = at === hello.length - 1 ? "hello" : "incomplete";
    if (kind !== expected) throw new Error(`after ${at + 1} bytes the hello is ${kind}`);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
