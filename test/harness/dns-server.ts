// A DNS server of a few records, over UDP, for tests: enough of RFC 1035 to answer A and AAAA for names it was given.
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { parseAddress } from "@helloway/routing/address";

export interface DnsServer extends AsyncDisposable {
  /** "ip:port", as a resolver takes it. */
  readonly address: string;
  /**
   * Replaces what a name has; an empty list: NXDOMAIN; "servfail": the server cannot tell; "silent": no answer; a function: what it
   * returns each time that somebody asks for addresses of that family, and a promise holds the answer back.
   */
  set(name: string, answer: DnsAnswer | AnswerMaker, ttlSeconds?: number): void;
  /** How often a name was asked for, A and AAAA together. */
  questions(name: string): number;
  /** Every name asked for, as sent. */
  readonly asked: readonly string[];
}

export type DnsAnswer = readonly string[] | "servfail" | "silent";
export type AnswerMaker = (family: 4 | 6) => DnsAnswer | Promise<DnsAnswer>;

const TYPE_A = 1;
const TYPE_AAAA = 28;
const NXDOMAIN = 3;
const SERVFAIL = 2;

export async function startDnsServer(): Promise<DnsServer> {
  const names = new Map<string, { answer: DnsAnswer | AnswerMaker; ttlSeconds: number }>();
  const asked: string[] = [];
  const socket = createSocket("udp4");
  const onQuery = async (query: Buffer, from: RemoteInfo): Promise<void> => {
    const { name, end, type } = question(query);
    asked.push(name);
    const entry = names.get(name.toLowerCase());
    const made = typeof entry?.answer === "function" ? entry.answer(type === TYPE_A ? 4 : 6) : (entry?.answer ?? []);
    const answer = await made;
    if (answer === "silent") return;
    const reply = answerTo(query.subarray(0, end), type, answer, entry?.ttlSeconds ?? 0);
    socket.send(reply, from.port, from.address);
  };
  socket.on("message", (query: Buffer, from: RemoteInfo) => void onQuery(query, from));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    set: (name, answer, ttlSeconds = 60) => names.set(name, { answer, ttlSeconds }),
    questions: (name) => asked.filter((each) => each.toLowerCase() === name).length,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** @param asked the query's header and question. */
function answerTo(asked: Buffer, type: number, answer: readonly string[] | "servfail", ttlSeconds: number): Buffer {
  const failed = answer === "servfail";
  const addresses = (failed ? [] : answer).map((text) => parseAddress(text)!);
  const wanted = addresses.filter(({ family }) => type === (family === 4 ? TYPE_A : TYPE_AAAA));
  const rcode = failed ? SERVFAIL : addresses.length === 0 ? NXDOMAIN : 0;
  const header = Buffer.from(asked);
  // Response, recursion desired and available.
  header.writeUInt16BE(0x8180 | rcode, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(wanted.length, 6);
  header.writeUInt32BE(0, 8);
  const records = wanted.map(({ bytes, family }) => {
    const record = Buffer.alloc(12);
    // The name is that of the question, at offset 12.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(family === 4 ? TYPE_A : TYPE_AAAA, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttlSeconds, 6);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([header, ...records]);
}
