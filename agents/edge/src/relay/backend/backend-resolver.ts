// Addresses of backends that are names. Asked of DNS alone, as absolute names: no hosts file, no search list, no numeric
// spellings, which dns.lookup would all allow. Answers live as long as their TTL; while the servers fail, the last answer does (as
// RFC 8767 has it), and while they are silent nobody waits for long.
import { Resolver } from "node:dns/promises";
import { setTimeout as pause } from "node:timers/promises";
import { type Address, parseAddress } from "@helloway/routing/address";

/** Bounds of how long an answer is used, whatever its TTL: not asked per connection, and not for ever. */
const TTL_MIN_MS = 1_000;
const TTL_MAX_MS = 3_600_000;
/** A name that has no address is asked again after this. */
const NONE_TTL_MS = 5_000;
/** How long an answer outlives its TTL while no server answers, and how often they are asked meanwhile. */
const STALE_MAX_MS = 600_000;
const FAILED_TTL_MS = 1_000;
/** How long a new answer is waited for where there is a last one. */
const STALE_WAIT_MS = 200;
/** How long the other family is waited for once one has an address (RFC 8305, section 3). */
const OTHER_FAMILY_WAIT_MS = 50;
/** Names held; the oldest answer goes first. */
const NAMES_MAX = 10_000;
/** Addresses of each family taken of one answer: every connection looks at all, and who owns the name decides how many there are. */
const ADDRESSES_MAX = 32;

interface DnsRecord {
  address: string;
  ttl: number;
}

interface Answer {
  readonly addresses: readonly Address[];
  readonly expiresAt: number;
  /** When the servers last gave it and it stops being an answer. */
  readonly staleAt: number;
}

/** Codes by which a server says that the name has no such record. */
const noneCodes = new Set(["ENOTFOUND", "ENODATA"]);

export class BackendResolver {
  readonly #resolver: Resolver;
  readonly #answers = new Map<string, Answer>();
  readonly #asking = new Map<string, Promise<readonly Address[]>>();

  /** @param servers "ip:port" each; null: the system's. */
  constructor(servers: readonly string[] | null) {
    this.#resolver = new Resolver({ timeout: 2_000, tries: 2, maxTimeout: 4_000 });
    if (servers) this.#resolver.setServers(servers);
  }

  /** What is known now, without waiting; null: must be asked. */
  cached(host: string): readonly Address[] | null {
    const answer = this.#answers.get(host);
    return answer && performance.now() < answer.expiresAt ? answer.addresses : null;
  }

  /** What was known last, however long ago; empty: nothing. */
  last(host: string): readonly Address[] {
    return this.#answers.get(host)?.addresses ?? [];
  }

  /** IPv4 addresses first; empty: the name has none, or nobody answered. Never rejects. */
  resolve(host: string): Promise<readonly Address[]> {
    const cached = this.cached(host);
    if (cached) return Promise.resolve(cached);
    let asking = this.#asking.get(host);
    if (!asking) {
      const last = this.#answers.get(host);
      const answer = this.#ask(host).finally(() => this.#asking.delete(host));
      const isUseful = last !== undefined && last.addresses.length > 0 && performance.now() < last.staleAt;
      asking = isUseful ? soonOr(answer, last.addresses) : answer;
      this.#asking.set(host, asking);
    }
    return asking;
  }

  /** Ends what is being asked. */
  cancel(): void {
    this.#resolver.cancel();
  }

  /** Who answers for one family and is silent about the other is not waited for: what comes late is for those who ask later. */
  async #ask(host: string): Promise<readonly Address[]> {
    const answers: (DnsRecord[] | null)[] = [null, null];
    const asked = [this.#resolver.resolve4(host, { ttl: true }), this.#resolver.resolve6(host, { ttl: true })].map(
      async (each, family) => (answers[family] = await records(each)),
    );
    let isWhole = false;
    const both = Promise.all(asked).then(() => {
      isWhole = true;
    });
    await Promise.race([both, oneHasSome(asked).then((some) => (some ? pause(OTHER_FAMILY_WAIT_MS) : both))]);
    const addresses = this.#answered(host, answers);
    if (!isWhole) void both.then(() => this.#completed(host, addresses, answers));
    return addresses;
  }

  /** The other family has come, too. */
  #completed(host: string, early: readonly Address[], answers: readonly (DnsRecord[] | null)[]): void {
    const isLast = this.#answers.get(host)?.addresses === early;
    if (isLast && answers.every((each) => each !== null && each.length > 0)) this.#answered(host, answers);
  }

  /** @param answers by family; null: no server has answered. */
  #answered(host: string, answers: readonly (DnsRecord[] | null)[]): readonly Address[] {
    const now = performance.now();
    const found = answers.flatMap((each) => each?.slice(0, ADDRESSES_MAX) ?? []);
    if (found.length === 0 && answers.includes(null)) return this.#failed(host, now);
    const ttlMs = Math.min(...found.map((each) => each.ttl * 1000), TTL_MAX_MS);
    const livesMs = found.length === 0 ? NONE_TTL_MS : Math.max(ttlMs, TTL_MIN_MS);
    const addresses = found.flatMap((each) => parseAddress(each.address) ?? []);
    this.#keep(host, { addresses, expiresAt: now + livesMs, staleAt: now + livesMs + STALE_MAX_MS });
    return addresses;
  }

  #failed(host: string, now: number): readonly Address[] {
    const last = this.#answers.get(host);
    const addresses = last && now < last.staleAt ? last.addresses : [];
    this.#keep(host, { addresses, expiresAt: now + FAILED_TTL_MS, staleAt: last?.staleAt ?? now });
    return addresses;
  }

  #keep(host: string, answer: Answer): void {
    this.#answers.delete(host);
    this.#answers.set(host, answer);
    if (this.#answers.size <= NAMES_MAX) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      break;
    }
  }
}

/** The answer, or the last one when it does not come soon. */
function soonOr(answer: Promise<readonly Address[]>, last: readonly Address[]): Promise<readonly Address[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, STALE_WAIT_MS, last);
    void answer.then((addresses) => {
      clearTimeout(timer);
      resolve(addresses);
    });
  });
}

/** Whether one family has an address, as soon as one does; false: none has. */
function oneHasSome(asked: readonly Promise<DnsRecord[] | null>[]): Promise<boolean> {
  return new Promise((resolve) => {
    for (const each of asked) void each.then((records) => records?.length && resolve(true));
    void Promise.all(asked).then(() => resolve(false));
  });
}

/** null: no server gave an answer. */
async function records(asked: Promise<DnsRecord[]>): Promise<DnsRecord[] | null> {
  try {
    return await asked;
  } catch (error) {
    return noneCodes.has((error as NodeJS.ErrnoException).code ?? "") ? [] : null;
  }
}
