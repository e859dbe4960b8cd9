// Several routes for one hostname: which of them serves a client, and what a client gets that none of them wants.
import { describe, expect, test } from "vitest";
import { connectRaw } from "../../harness/raw-client.ts";
import { type CountryFile, writeCountryFile } from "../../harness/country-file.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { defaultRoute, routeObject, routeUid, settingsObject } from "../../harness/table-objects.ts";
import type { TcpBackend } from "../../harness/tcp-backend.ts";
import { alpn, latin1 } from "../../vectors/hello-bytes.ts";
import { backendFields, type Engine, helloFor, type MakeRelay, useOneEngine } from "./fixture.ts";
import { LARGE_HELLO_OFFERS, largeHello } from "./large-hello.ts";
import { ask, outcome, say } from "./outcome.ts";

const name = "app.example.test";

interface Criteria {
  alpn?: string[];
  sourceCidrs?: string[];
  countries?: string[];
}

function match({ alpn: protocols = [], ...lists }: Criteria) {
  return { alpn: protocols.sort().map(latin1), ...lists };
}

/** Backends that each say the name of their route. */
class Backends implements AsyncDisposable {
  readonly #started: TcpBackend[] = [];

  /** A route of the name for the hostname with these criteria; absent: none. */
  async route(word: string, criteria?: Criteria, hostname = name) {
    const backend = await startSayingBackend(word);
    this.#started.push(backend);
    const more = criteria ? { match: match(criteria) } : {};
    return routeObject(word, { hostnames: [hostname], backends: [backendFields(backend)], ...more });
  }

  get connections(): number {
    return this.#started.reduce((sum, { count }) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((each) => each[Symbol.asyncDispose]()));
  }
}

async function countries(): Promise<CountryFile> {
  return await writeCountryFile({ "127.0.0.16/28": "DE", "127.0.0.32/28": "FR", "::1/128": "SE" });
}

const german = "127.0.0.17";
const french = "127.0.0.33";

const offering = (engine: Engine, ...protocols: string[]): Promise<string> =>
  ask(engine, name, undefined, alpn(...protocols));

export function defineCriteria(makeRelay: MakeRelay): void {
  describe("criteria", () => {
    const start = useOneEngine(makeRelay);

    test("serves by any of the offered protocols, and who offers none of them by the route without criteria", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(
        await backends.route("modern", { alpn: ["h2", "h3"] }),
        await backends.route("classic", { alpn: ["http/1.1"] }),
        await backends.route("rest"),
      );
      expect(await offering(engine, "x", "h3")).toBe("modern");
      expect(await offering(engine, "http/1.1")).toBe("classic");
      expect(await offering(engine, "http/1.0", "h")).toBe("rest");
      expect(await ask(engine, name)).toBe("rest");
    });

    test("lets the earliest of the client's offers decide between routes by protocol, then the route's id", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(
        await backends.route("one", { alpn: ["h2", "a"] }),
        await backends.route("two", { alpn: ["http/1.1", "b"] }),
        await backends.route("three", { alpn: ["http/1.1", "c"] }),
      );
      const [first] = ["two", "three"].sort((a, b) => (routeUid(a) < routeUid(b) ? -1 : 1));
      expect(await offering(engine, "h2", "http/1.1")).toBe("one");
      expect(await offering(engine, "http/1.1", "h2")).toBe(first);
      expect(await offering(engine, "http/1.1", "a", "b", "c")).toBe(first);
      expect(await offering(engine, "c", "http/1.1", "b")).toBe("three");
    });

    test("serves by the longest source network, of the client's family alone", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(
        await backends.route("wide", { sourceCidrs: ["127.0.0.0/8", "192.0.2.0/24"] }),
        await backends.route("narrow", { sourceCidrs: ["127.0.0.0/24", "192.0.2.1/32"] }),
        await backends.route("alone", { sourceCidrs: ["127.0.0.9/32"] }),
        await backends.route("rest"),
      );
      expect(await ask(engine, name, "127.1.0.1")).toBe("wide");
      expect(await ask(engine, name, "127.0.0.8")).toBe("narrow");
      expect(await ask(engine, name, "127.0.0.9")).toBe("alone");
      const overIpv6 = await connectRaw(engine.ipv6);
      overIpv6.send(helloFor(name));
      expect(await outcome(overIpv6)).toBe("rest");
    });

    test("serves by country, and who is nowhere by the route without criteria", async () => {
      await using database = await countries();
      await using backends = new Backends();
      const engine = await start({ geoDatabase: database.path });
      await engine.serve(
        await backends.route("germany", { countries: ["AT", "DE"] }),
        await backends.route("north", { countries: ["SE"] }),
        await backends.route("rest"),
      );
      expect(await ask(engine, name, german)).toBe("germany");
      expect(await ask(engine, name, french)).toBe("rest");
      expect(await ask(engine, name, "127.0.0.1")).toBe("rest");
      const overIpv6 = await connectRaw(engine.ipv6);
      overIpv6.send(helloFor(name));
      expect(await outcome(overIpv6)).toBe("north");
    });

    test("tries protocol before source, source before country, country before none", async () => {
      await using database = await countries();
      await using backends = new Backends();
      const engine = await start({ geoDatabase: database.path });
      await engine.serve(
        await backends.route("rest"),
        await backends.route("country", { countries: ["DE"] }),
        await backends.route("source", { sourceCidrs: ["127.0.0.16/30"] }),
        await backends.route("protocol", { alpn: ["h2"] }),
        await backends.route("protocol and source", { alpn: ["h2"], sourceCidrs: ["127.0.0.19/32"] }),
      );
      expect(await ask(engine, name, german, alpn("h2"))).toBe("protocol");
      expect(await ask(engine, name, "127.0.0.19", alpn("h2"))).toBe("protocol and source");
      expect(await ask(engine, name, german)).toBe("source");
      expect(await ask(engine, name, "127.0.0.30")).toBe("country");
      expect(await ask(engine, name, french)).toBe("rest");
    });

    test("wants every criterion of a route, and says no_application_protocol only when nothing else was wrong", async () => {
      await using database = await countries();
      await using backends = new Backends();
      const engine = await start({ geoDatabase: database.path });
      const all = { alpn: ["h2"], sourceCidrs: ["127.0.0.16/29"], countries: ["DE"] };
      await engine.serve(await backends.route("all", all));
      expect(await ask(engine, name, german, alpn("h2"))).toBe("all");
      expect(await ask(engine, name, german, alpn("h3"))).toBe("alert 78");
      expect(await ask(engine, name, german)).toBe("alert 78");
      expect(await ask(engine, name, "127.0.0.30", alpn("h2"))).toBe("alert 70");
      expect(await ask(engine, name, french, alpn("h3"))).toBe("alert 70");
      await engine.closes("-", { no_match: 4 });
    });

    test("tries no broader name and no default when the routes of a name all fail", async () => {
      await using backends = new Backends();
      const engine = await start();
      await using unmatched = await startSayingBackend("unmatched");
      await engine.serve(
        settingsObject({ unmatched: defaultRoute("@unmatched", [backendFields(unmatched)]) }),
        await backends.route("narrow", { sourceCidrs: ["192.0.2.0/24"] }),
        await backends.route("wide", undefined, "*.example.test"),
      );
      expect(await ask(engine, name)).toBe("alert 70");
      expect(await ask(engine, "other.example.test")).toBe("wide");
      expect(await ask(engine, "example.test")).toBe("unmatched");
      await engine.closes("-", { no_match: 1 });
      expect([backends.connections, unmatched.count]).toEqual([1, 1]);
    });

    test("serves the largest hello by the last of its offers, and records the first of them", async () => {
      await using backends = new Backends();
      const engine = await start();
      const elsewhere = "elsewhere.example.test";
      await engine.serve(
        await backends.route("modern", { alpn: ["h2"] }),
        await backends.route("rest"),
        await backends.route("only h2", { alpn: ["h2"] }, elsewhere),
      );
      expect(await outcome(await say(engine, largeHello(name, "h2")))).toBe("modern");
      expect(await outcome(await say(engine, largeHello(name)))).toBe("rest");
      expect(await outcome(await say(engine, largeHello(elsewhere)))).toBe("alert 78");
      await engine.closes("-", { no_match: 1 });
      await expect.poll(() => engine.records.length).toBe(3);
      const alpn = [...Array.from({ length: 32 }, () => "x"), `... ${LARGE_HELLO_OFFERS - 32} more`];
      for (const each of engine.records) expect(each.alpn).toEqual(alpn);
    });

    test("gives acme-tls/1 to the owner of the name like any protocol", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(
        await backends.route("validation", { alpn: ["acme-tls/1"] }),
        await backends.route("rest"),
        await backends.route("plain", undefined, "plain.example.test"),
        await backends.route("only h2", { alpn: ["h2"] }, "h2.example.test"),
      );
      expect(await offering(engine, "acme-tls/1")).toBe("validation");
      expect(await offering(engine, "h2")).toBe("rest");
      expect(await ask(engine, "plain.example.test", undefined, alpn("acme-tls/1"))).toBe("plain");
      expect(await ask(engine, "h2.example.test", undefined, alpn("acme-tls/1"))).toBe("alert 78");
      await engine.closes("-", { no_match: 1 });
    });

    test("refuses a second route for a hostname with the same criteria, and takes it with others", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(await backends.route("one", { alpn: ["h2", "h3"] }));
      expect(await engine.edit(await backends.route("two", { alpn: ["h2", "h3"] }))).toEqual(["hostname_taken"]);
      expect(await engine.edit(await backends.route("two", { alpn: ["h2"] }))).toEqual([]);
      expect(await engine.edit(await backends.route("three"))).toEqual([]);
      expect(await engine.edit(await backends.route("four"))).toEqual(["hostname_taken"]);
      expect(await offering(engine, "h3")).toBe("one");
      expect(await ask(engine, name)).toBe("three");
    });

    test("serves a removed route's clients by what is left", async () => {
      await using backends = new Backends();
      const engine = await start();
      const special = await backends.route("special", { alpn: ["h2"] });
      await engine.serve(special, await backends.route("rest"));
      expect(await offering(engine, "h2")).toBe("special");
      const removals = [{ kind: "route" as const, id: special.id }];
      await engine.relay.apply({ snapshot: false, objects: [], removals });
      expect(await offering(engine, "h2")).toBe("rest");
    });

    test("refuses a route that names countries when there is no database", async () => {
      await using backends = new Backends();
      const engine = await start();
      await engine.serve(await backends.route("rest"));
      expect(await engine.edit(await backends.route("germany", { countries: ["DE"] }))).toEqual([
        "geo_database_missing",
      ]);
      expect(await ask(engine, name, german)).toBe("rest");
    });
  });
}
