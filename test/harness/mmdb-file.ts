// Writes small MMDB files (maxmind.github.io/MaxMind-DB), as the tests of their reader need them:
//
//   tree of nodes, two records each | 16 zero bytes | data section | marker | metadata
//
// A record below the number of nodes is a node; equal to it, nothing; above it, that number plus 16 plus an offset in the data.
import { parseCidr, type Cidr } from "@helloway/routing/address";

const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
const SEPARATOR_BYTES = 16;
/** Where pointers of two bytes end. */
const POINTER_MAX = 2_048;

/** A number is a uint32, a bigint a uint64. */
export type MmdbValue = string | number | bigint | { [key: string]: MmdbValue };

export interface MmdbOptions {
  /** Later ones win where they overlap. An IPv4 network of a file for IPv6 stands below ::/96. */
  networks: readonly (readonly [cidr: string, record: MmdbValue])[];
  ipVersion?: 4 | 6;
  recordSize?: 24 | 28 | 32;
  type?: string;
  /** Over or beside what the metadata would say. */
  metadata?: Record<string, MmdbValue>;
}

/** What a country file says of a network. */
export function countryRecord(isoCode: string): MmdbValue {
  return { country: { iso_code: isoCode, names: { en: `Country ${isoCode}` } } };
}

export function mmdbFile(options: MmdbOptions): Buffer {
  const { networks, ipVersion = 6, recordSize = 24, type = "Test-Country", metadata = {} } = options;
  const tree = new Tree(networks, ipVersion);
  const data = new DataSection();
  const offsets = new Map<MmdbValue, number>();
  for (const record of tree.records()) offsets.set(record, data.add(record));
  const nodes = tree.nodes();
  const valueOf = (child: Child): number => {
    if (child === null) return nodes.length;
    return child instanceof Node ? nodes.indexOf(child) : nodes.length + SEPARATOR_BYTES + offsets.get(child.record)!;
  };
  const described = new DataSection();
  described.add({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000n,
    database_type: type,
    description: { en: "for tests" },
    ip_version: ipVersion,
    node_count: nodes.length,
    record_size: recordSize,
    ...metadata,
  });
  return Buffer.concat([
    ...nodes.map(({ children: [left, right] }) => packed(valueOf(left), valueOf(right), recordSize)),
    Buffer.alloc(SEPARATOR_BYTES),
    data.bytes(),
    MARKER,
    described.bytes(),
  ]);
}

type Child = Node | Leaf | null;

interface Leaf {
  record: MmdbValue;
}

class Node {
  children: [Child, Child] = [null, null];
}

class Tree {
  readonly #root = new Node();

  constructor(networks: MmdbOptions["networks"], ipVersion: 4 | 6) {
    for (const [text, record] of networks) {
      const cidr = parseCidr(text);
      if (cidr === null || cidr.family > ipVersion) throw new RangeError(`${text} is no network of this tree.`);
      this.#insert(bitsOf(cidr, ipVersion), { record });
    }
  }

  #insert(bits: readonly (0 | 1)[], leaf: Leaf): void {
    let node = this.#root;
    for (const bit of bits.slice(0, -1)) {
      const child = node.children[bit];
      if (child instanceof Node) node = child;
      else {
        const below = new Node();
        below.children = [child, child];
        node.children[bit] = below;
        node = below;
      }
    }
    node.children[bits.at(-1)!] = leaf;
  }

  nodes(): Node[] {
    const nodes = [this.#root];
    // It grows while it is walked.
    for (const node of nodes) nodes.push(...node.children.filter((child) => child instanceof Node));
    return nodes;
  }

  records(): Set<MmdbValue> {
    const leaves = this.nodes().flatMap(({ children }) => children);
    return new Set(leaves.flatMap((child) => (child === null || child instanceof Node ? [] : [child.record])));
  }
}

function bitsOf(cidr: Cidr, ipVersion: 4 | 6): (0 | 1)[] {
  const bits = Array.from({ length: cidr.prefixLength }, (_, i) => bitAt(cidr.bytes, i));
  const padding = ipVersion === 6 && cidr.family === 4 ? 96 : 0;
  return [...Array<0>(padding).fill(0), ...bits];
}

function bitAt(bytes: Uint8Array, i: number): 0 | 1 {
  return (bytes[i >> 3]! >> (7 - (i & 7))) & 1 ? 1 : 0;
}

function packed(left: number, right: number, recordSize: 24 | 28 | 32): Buffer {
  const node = Buffer.alloc(recordSize / 4);
  if (recordSize === 32) {
    node.writeUInt32BE(left, 0);
    node.writeUInt32BE(right, 4);
    return node;
  }
  node.writeUIntBE(left & 0xff_ffff, 0, 3);
  node.writeUIntBE(right & 0xff_ffff, recordSize === 24 ? 3 : 4, 3);
  // The byte in the middle has the upper four bits of both.
  if (recordSize === 28) node[3] = ((left >>> 24) << 4) | (right >>> 24);
  return node;
}

/** Values one after the other; a text that is there already is a pointer to it, as in real files. */
class DataSection {
  readonly #parts: Buffer[] = [];
  readonly #texts = new Map<string, number>();
  #length = 0;

  /** Returns the value's offset. */
  add(value: MmdbValue): number {
    const offset = this.#length;
    if (typeof value === "string") this.#addText(value);
    else if (typeof value === "number") this.#put(control(6, 4), number(BigInt(value), 4));
    else if (typeof value === "bigint") this.#put(control(9, 8), number(value, 8));
    else {
      const entries = Object.entries(value);
      this.#put(control(7, entries.length));
      for (const [key, each] of entries) {
        this.#addText(key);
        this.add(each);
      }
    }
    return offset;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #addText(text: string): void {
    const earlier = this.#texts.get(text);
    if (earlier !== undefined && earlier < POINTER_MAX) {
      this.#put(Buffer.of(0x20 | (earlier >> 8), earlier & 0xff));
      return;
    }
    this.#texts.set(text, this.#length);
    const bytes = Buffer.from(text);
    this.#put(control(2, bytes.length), bytes);
  }

  #put(...parts: Buffer[]): void {
    this.#parts.push(...parts);
    for (const part of parts) this.#length += part.length;
  }
}

/** Type and size; types above 7 have a byte of their own. */
function control(type: number, size: number): Buffer {
  const [sizeBits, more] = size < 29 ? [size, []] : [29, [size - 29]];
  if (size > 29 + 0xff) throw new RangeError(`A value of ${size} is too large for this writer.`);
  return Buffer.from(type > 7 ? [sizeBits, type - 7, ...more] : [(type << 5) | sizeBits, ...more]);
}

function number(value: bigint, bytes: 4 | 8): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeUInt32BE(Number(value));
  else buffer.writeBigUInt64BE(value);
  return buffer;
}
