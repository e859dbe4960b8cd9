import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOf, parseAddress } from "./address.ts";
import { type AddressGrant, type AddressPolicyInput, compileAddressPolicy, policyProblems } from "./address-policy.ts";

const anyPort = [{ from: 1, to: 65_535 }];
const everything: AddressGrant = {
  cidrs: ["0.0.0.0/0", "::/0", "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "public"],
  ports: anyPort,
};
const outOfTheBox: AddressPolicyInput = {
  default: { cidrs: ["public"], ports: [{ from: 443, to: 443 }] },
  teams: new Map(),
  nat64Prefixes: [],
  reservedSockets: [],
  fleetAddresses: [],
};

function check(input: Partial<AddressPolicyInput>, address: string, port = 443, team = "payments"): string {
  const verdict = compileAddressPolicy({ ...outOfTheBox, ...input }).check(team, parseAddress(address)!, port);
  return verdict.allowed ? "allowed" : verdict.code;
}

describe("out of the box", () => {
  test.each([
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700::1111",
    "192.0.0.9",
    "2001:20::1",
    "64:ff9b::808:808",
    "2002:808:808::1",
  ])("the public address %s is allowed on port 443", (address) => expect(check({}, address)).toBe("allowed"));

  test("no other port is", () => {
    expect(check({}, "8.8.8.8", 8443)).toBe("port_not_granted");
  });

  test.each([
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.1.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "fec0::1",
    "100::1",
    "2001:db8::1",
    "2001:2::1",
    "2001:10::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "64:ff9b::a00:1",
    "2002:c0a8:101::1",
    "fd00::5efe:8.8.8.8",
    "fe80::5efe:8.8.8.8",
    "2606:4700::5efe:10.0.0.1",
  ])("%s is not public", (address) => {
    expect(check({}, address)).toBe("address_not_granted");
  });
});

describe("never, whatever is granted", () => {
  const input = { default: everything };

  test.each([
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "::",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::a9fe:a9fe",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::",
    "2001::5601:5601",
    "2001:0:a9fe:a9fe::f7f7:f7f7",
    "2606:4700::5efe:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:0:0.0.0.0",
    "::2",
    "::ffff:224.0.0.1",
  ])("%s", (address) => expect(check(input, address)).toBe("address_never_allowed"));

  test("not even behind a NAT64 prefix of the pool", () => {
    const nat64 = { ...input, nat64Prefixes: ["2001:db8:64::/96"] };
    expect(check(nat64, "2001:db8:64::a9fe:a9fe")).toBe("address_never_allowed");
    expect(check(nat64, "2001:db8:64::808:808")).toBe("allowed");
    expect(check({ nat64Prefixes: ["2001:db8:64::/96"] }, "2001:db8:64::a00:1")).toBe("address_not_granted");
  });
});

describe("loopback and link-local", () => {
  const spellings = [
    "127.0.0.1",
    "127.8.9.10",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:808:808::80ff:fffe",
    "169.254.7.7",
    "fe80::1",
  ];

  test.each(spellings)("%s is not granted by a network that merely contains it", (address) => {
    expect(check({ default: { cidrs: ["0.0.0.0/0", "::/0", "public"], ports: anyPort } }, address)).toBe(
      "address_not_granted",
    );
  });

  test.each(spellings)("%s is granted by a network inside", (address) => {
    expect(check({ default: everything }, address)).toBe("allowed");
  });

  test("a single address of it may be granted", () => {
    const input = { default: { cidrs: ["0.0.0.0/0", "127.0.0.1/32"], ports: anyPort } };
    expect(check(input, "127.0.0.1")).toBe("allowed");
    expect(check(input, "127.0.0.2")).toBe("address_not_granted");
  });

  test("spellings that only some resolvers take for addresses are none", () => {
    for (const text of ["127.1", "0x7f.1", "2130706433", "0", "0177.0.0.1"]) expect(parseAddress(text)).toBeNull();
  });
});

describe("the installation's own", () => {
  const input = {
    default: everything,
    reservedSockets: [
      { address: "0.0.0.0", port: 8443 },
      { address: "127.0.0.1", port: 8081 },
      { address: "::", port: 9443 },
      { address: "10.0.0.5", port: 5432 },
    ],
    fleetAddresses: ["203.0.113.7", "2001:db8::7", "127.0.0.1", "::1"],
    ownSockets: [{ address: "::1", port: 7000 }],
  };

  test.each([
    ["127.0.0.1", 8443],
    ["127.9.9.9", 8443],
    ["::1", 8443],
    ["::ffff:127.0.0.1", 8443],
    ["64:ff9b::7f00:1", 8443],
    ["203.0.113.7", 8443],
    ["2001:db8::7", 9443],
    ["::1", 9443],
    ["127.0.0.1", 9443],
    ["127.0.0.1", 8081],
    ["::ffff:127.0.0.1", 8081],
    ["10.0.0.5", 5432],
    ["2002:a00:5::1", 5432],
    ["::1", 7000],
  ])("%s port %i is a socket of it", (address, port) => {
    expect(check(input, address, port)).toBe("address_reserved");
  });

  test.each([
    ["203.0.113.7", 443],
    ["2001:db8::7", 1],
    ["::ffff:203.0.113.7", 5432],
    ["64:ff9b::cb00:7107", 443],
    ["2002:cb00:7107::", 443],
  ])("%s port %i is on an address of the fleet", (address, port) => {
    expect(check(input, address, port)).toBe("fleet_address");
  });

  test.each([
    ["127.0.0.1", 443],
    ["127.0.0.2", 8081],
    ["::1", 8081],
    ["10.0.0.5", 443],
    ["10.0.0.6", 8443],
    ["203.0.113.8", 8443],
  ])("%s port %i is neither", (address, port) => {
    expect(check(input, address, port)).toBe("allowed");
  });
});

describe("grants", () => {
  const input = {
    teams: new Map<string, AddressGrant>([
      [
        "payments",
        {
          cidrs: ["10.1.0.0/16", "fd00:1::/32"],
          ports: [
            { from: 443, to: 443 },
            { from: 8000, to: 8999 },
          ],
        },
      ],
      ["none", { cidrs: [], ports: [] }],
    ]),
  };

  test("a team listed has its own instead of the default", () => {
    expect(check(input, "10.1.2.3")).toBe("allowed");
    expect(check(input, "fd00:1::1", 8500)).toBe("allowed");
    expect(check(input, "10.2.0.1")).toBe("address_not_granted");
    expect(check(input, "8.8.8.8")).toBe("address_not_granted");
    expect(check(input, "10.1.2.3", 9000)).toBe("port_not_granted");
    expect(check(input, "8.8.8.8", 443, "other")).toBe("allowed");
    expect(check(input, "8.8.8.8", 443, "none")).toBe("address_not_granted");
  });

  test("an embedded form is judged by what it carries", () => {
    expect(check(input, "::ffff:10.1.2.3")).toBe("allowed");
    expect(check(input, "2002:a01:203::1")).toBe("allowed");
    expect(check(input, "2002:808:808::1")).toBe("address_not_granted");
  });

  test("no address in any form gets past what its bare IPv4 address would not", () => {
    const policy = compileAddressPolicy({ ...outOfTheBox, default: { cidrs: ["public"], ports: anyPort } });
    const wrap: ((inner: number[]) => number[])[] = [
      (inner) => [...Array<number>(10).fill(0), 0xff, 0xff, ...inner],
      (inner) => [...Array<number>(12).fill(0), ...inner],
      (inner) => [0, 0x64, 0xff, 0x9b, ...Array<number>(8).fill(0), ...inner],
      (inner) => [0, 0x64, 0xff, 0x9b, 0, 1, ...Array<number>(6).fill(0), ...inner],
      (inner) => [0x20, 2, ...inner, ...Array<number>(10).fill(1)],
      (inner) => [0x20, 1, 0, 0, 8, 8, 8, 8, 0, 0, 0, 0, ...inner.map((byte) => byte ^ 0xff)],
      (inner) => [0x26, 6, 0x47, 0, 0, 0, 0, 0, 2, 0, 0x5e, 0xfe, ...inner],
    ];
    const inner = fc.tuple(
      fc.constantFrom(0, 1, 8, 10, 100, 127, 169, 172, 192, 198, 224, 255),
      fc.nat(255),
      fc.nat(255),
      fc.nat(255),
    );
    fc.assert(
      fc.property(inner, fc.constantFrom(...wrap), (bytes, form) => {
        const bare = policy.check("t", addressOf(Uint8Array.from(bytes)), 443);
        const wrapped = policy.check("t", addressOf(Uint8Array.from(form(bytes))), 443);
        if (wrapped.allowed) expect(bare.allowed).toBe(true);
        // Three zeros at one end may read otherwise: :: and ::1 are addresses of their own, and in 64:ff9b:1::/48 an address may
        // end earlier.
        const oneReading = [bytes.slice(0, 3), bytes.slice(1)].every((part) => part.some((byte) => byte !== 0));
        if (oneReading) expect(wrapped.allowed).toBe(bare.allowed);
      }),
      { numRuns: 1000, examples: [[[8, 0, 0, 0], wrap[3]!]] },
    );
  });
});

describe("policyProblems", () => {
  test("lists every problem with where it is", () => {
    const problems = policyProblems({
      default: { cidrs: ["public", "10.0.0.0", "10.0.0.0/8"], ports: [{ from: 443, to: 80 }] },
      teams: new Map([
        [
          "a/b",
          {
            cidrs: ["224.0.0.0/4", "169.254.169.254/32", "::ffff:10.0.0.0/104", "2002::/16"],
            ports: [{ from: 0, to: 1 }],
          },
        ],
      ]),
      nat64Prefixes: ["64:ff9b::/96", "10.0.0.0/8", "2001:db8::/33"],
      reservedSockets: [{ address: "localhost", port: 0 }],
      fleetAddresses: ["203.0.113.7", "edge.test"],
      ownSockets: [{ address: "127.1", port: 1 }],
    });
    expect(problems.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      "/default/cidrs/1 bad_cidr",
      "/default/ports/0 bad_port_range",
      "/teams/a~1b/cidrs/0 never_allowed",
      "/teams/a~1b/cidrs/1 never_allowed",
      "/teams/a~1b/cidrs/2 embedded_form",
      "/teams/a~1b/cidrs/3 embedded_form",
      "/teams/a~1b/ports/0 bad_port_range",
      "/nat64Prefixes/1 bad_nat64_prefix",
      "/nat64Prefixes/2 bad_nat64_prefix",
      "/fleetAddresses/1 bad_address",
      "/reservedSockets/0/address bad_address",
      "/reservedSockets/0/port bad_port",
      "/ownSockets/0/address bad_address",
    ]);
  });

  test("a policy with problems does not come to be", () => {
    expect(() => compileAddressPolicy({ ...outOfTheBox, default: { cidrs: ["10.0.0.0"], ports: anyPort } })).toThrow(
      TypeError,
    );
  });

  test("loopback and everything may be granted", () => {
    expect(policyProblems({ ...outOfTheBox, default: everything })).toEqual([]);
  });
});
