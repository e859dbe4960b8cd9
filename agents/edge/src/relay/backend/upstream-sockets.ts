// The edge's own sockets to backends, by the address and port they come from, to recognise a connection that comes back to us,
// whichever worker it comes to.
//
// The same address and port can at once belong to an honest client on this host: Linux gives one local port to several
// connections as long as they go to different places. So a pair alone is only a suspicion. It is a loop when the backend's
// address is the one the connection was accepted on, or, when something between translated that, when what the connection
// says is what we said on the upstream socket, which nobody has answered yet: a hello's 32 random bytes are within the first.
//
// A fixed table in shared memory. A slot belongs to the worker that claimed it, which alone writes there; others read, and what they
// read half written matches nothing. When no slot near its place is free, a socket goes without: the address policy, which knows
// our listeners, is what keeps loops away in the first place.
import { unmapped } from "../connection/source.ts";
import { createHashKey, type HashKey, KeyedHash } from "../shared/keyed-hash.ts";

/** Enough of a hello to hold its random: record header 5, handshake header 4, version 2, random 32. */
const HEAD_BYTES = 43;
const SLOTS = 32_768;
const PROBES = 16;
const SLOT_WORDS = 8;

/** 0: free. A worker's number + 1, negative while it writes. */
const OWNER = 0;
const KEY = 1;
const REMOTE = 3;
/** Both 0: nothing was said yet. */
const HEAD = 5;
/** The local port, and above it whether the backend has answered. */
const PORT = 7;
const PORT_BITS = 0xffff;
const ANSWERED = 0x1_0000;

/** For structured cloning. */
export interface UpstreamsMemory {
  readonly hashKey: HashKey;
  readonly slots: SharedArrayBuffer;
  /** By local port, how many slots have it or, where a worker died in between, had it: nearly every connection comes from none of these. */
  readonly ports: SharedArrayBuffer;
}

export function createUpstreams(): UpstreamsMemory {
  return {
    hashKey: createHashKey(),
    slots: new SharedArrayBuffer(SLOTS * SLOT_WORDS * 4),
    ports: new SharedArrayBuffer((PORT_BITS + 1) * 4),
  };
}

/** Frees the slots of a worker that died. */
export function forgetUpstreams({ slots, ports }: UpstreamsMemory, worker: number): void {
  const words = new Int32Array(slots);
  const counts = new Int32Array(ports);
  for (let at = 0; at < words.length; at += SLOT_WORDS) {
    const owner = words[at + OWNER]!;
    if (Math.abs(owner) !== worker + 1) continue;
    // One that was being written may not be counted yet; too many is what does no harm.
    if (owner > 0) Atomics.sub(counts, words[at + PORT]! & PORT_BITS, 1);
    Atomics.store(words, at + OWNER, 0);
  }
}

export type Acceptance =
  | { kind: "other" }
  | { kind: "loop" }
  /** isEcho: whether a connection that began with these bytes is the upstream socket. */
  | { kind: "suspect"; isEcho: (bytes: Uint8Array) => boolean };

const other: Acceptance = { kind: "other" };
const loop: Acceptance = { kind: "loop" };

export class UpstreamSockets {
  readonly #words: Int32Array;
  readonly #ports: Int32Array;
  readonly #hash: KeyedHash;
  readonly #owner: number;

  constructor(memory: UpstreamsMemory, worker: number) {
    this.#words = new Int32Array(memory.slots);
    this.#ports = new Int32Array(memory.ports);
    this.#hash = new KeyedHash(memory.hashKey);
    this.#owner = worker + 1;
  }

  /** A socket has its local port: once connect() has begun, connected or not. Its slot; -1: there is none. */
  add(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): number {
    const words = this.#words;
    const hash = this.#hash;
    hash.ofText(unmapped(localAddress), localPort);
    const { high, low } = hash;
    for (let probe = 0; probe < PROBES; probe++) {
      const at = placeOf(low, probe);
      if (Atomics.compareExchange(words, at + OWNER, 0, -this.#owner) !== 0) continue;
      hash.ofText(unmapped(remoteAddress), remotePort);
      words[at + KEY] = high;
      words[at + KEY + 1] = low;
      words[at + REMOTE] = hash.high;
      words[at + REMOTE + 1] = hash.low;
      words[at + HEAD] = 0;
      words[at + HEAD + 1] = 0;
      words[at + PORT] = localPort;
      Atomics.add(this.#ports, localPort, 1);
      Atomics.store(words, at + OWNER, this.#owner);
      return at;
    }
    return -1;
  }

  /** @param bytes everything written so far. */
  said(slot: number, bytes: Uint8Array): void {
    if (slot === -1 || bytes.length < HEAD_BYTES) return;
    this.#hash.ofBytes(bytes, HEAD_BYTES);
    this.#words[slot + HEAD] = this.#hash.high;
    this.#words[slot + HEAD + 1] = this.#hash.low;
  }

  /** The backend has said something: it is no echo. */
  answered(slot: number): void {
    if (slot !== -1) this.#words[slot + PORT]! |= ANSWERED;
  }

  /** The socket is closed. */
  remove(slot: number): void {
    if (slot === -1) return;
    const port = this.#words[slot + PORT]! & PORT_BITS;
    Atomics.store(this.#words, slot + OWNER, 0);
    Atomics.sub(this.#ports, port, 1);
  }

  /**
   * What the addresses of an accepted connection say, v4-mapped ones unmapped.
   * @param localAddress where it was accepted; asked for only when it matters, because it costs a system call.
   */
  judge(source: string, sourcePort: number, localAddress: () => string, localPort: number): Acceptance {
    if (Atomics.load(this.#ports, sourcePort) === 0) return other;
    const words = this.#words;
    const hash = this.#hash;
    hash.ofText(source, sourcePort);
    const { high, low } = hash;
    let suspects: number[] | null = null;
    for (let probe = 0; probe < PROBES; probe++) {
      const at = placeOf(low, probe);
      if (!this.#holds(at, high, low)) continue;
      hash.ofText(localAddress(), localPort);
      if (words[at + REMOTE] === hash.high && words[at + REMOTE + 1] === hash.low) return loop;
      (suspects ??= []).push(at);
    }
    if (suspects === null) return other;
    const places: number[] = suspects;
    return { kind: "suspect", isEcho: (bytes) => places.some((at) => this.#isEcho(at, high, low, bytes)) };
  }

  #isEcho(at: number, high: number, low: number, bytes: Uint8Array): boolean {
    const words = this.#words;
    if (bytes.length < HEAD_BYTES || (words[at + PORT]! & ANSWERED) !== 0 || !this.#holds(at, high, low)) return false;
    this.#hash.ofBytes(bytes, HEAD_BYTES);
    return words[at + HEAD] === this.#hash.high && words[at + HEAD + 1] === this.#hash.low;
  }

  #holds(at: number, high: number, low: number): boolean {
    const words = this.#words;
    return words[at + KEY] === high && words[at + KEY + 1] === low && Atomics.load(words, at + OWNER) > 0;
  }
}

function placeOf(low: number, probe: number): number {
  return (((low >>> 0) + probe) % SLOTS) * SLOT_WORDS;
}
