import { fromBinary } from "@bufbuild/protobuf";
import {
  Balance,
  LimitMode,
  OnReject,
  PoolSettingsSchema,
  ProxyProtocol,
  ProxyTlv,
  RouteSchema,
} from "@helloway/proto/table";
import { backend, poolSpec, routeSpec, timeouts } from "@helloway/test/harness/fleet";
import { expect, test } from "vitest";
import { encodeRoute, encodeSettings } from "./encode-object.ts";
import type { RouteSpec } from "./specs.ts";

const plain = routeSpec({ hostnames: ["one.example.com"] });
const encode = (spec: RouteSpec) =>
  encodeRoute({ uid: "00000000-0000-4000-8000-000000000001", team: "ours", name: "one", spec });
const decode = (spec: RouteSpec) => fromBinary(RouteSchema, encode(spec));
const limits = {
  connections: null,
  connectionsPerSource: null,
  newPerSecond: null,
  newPerSecondPerSource: null,
  bytesPerSecond: null,
  mode: "enforce",
} as const;
const everything: Partial<RouteSpec> = {
  match: { alpn: ["\\x00\\xff", "h2"], sourceCidrs: ["10.0.0.0/8"], countries: ["NL"] },
  balance: "sourceHash",
  proxyProtocol: "v2",
  proxyTlvs: ["authority", "alpn", "uniqueId", "edge"],
  limits: { ...limits, connections: 10, newPerSecond: 5, bytesPerSecond: 8_000_000_000, mode: "observe" },
  access: {
    allow: ["192.0.2.0/24"],
    deny: ["198.51.100.0/24"],
    allowCountries: ["DE"],
    denyCountries: ["FR"],
    minTlsVersion: "1.2",
  },
  onReject: "drop",
};

// As the first edges know them: a change of these bytes would send every table of every fleet again.
const plainRoute =
  "0a2430303030303030302d303030302d343030302d383030302d30303030303030303030303112046f7572731a036f6e65220f6f6e652e6578616d706c652e636f6d280132140a0d39332e3138342e3231362e333410bb0318013a0f08b81710c0cf2418e0d40320e0d4034801";
const plainSettings =
  "0a0708882710808002123b0a06406e6f536e691a06406e6f536e69280132140a0d39332e3138342e3231362e333410bb0318013a0f08b81710c0cf2418e0d40320e0d403480122120a100a067075626c6963120608bb0310bb03";

test("a route that uses nothing new has the bytes it always had", () => {
  expect(Buffer.from(encode(plain)).toString("hex")).toBe(plainRoute);
});

test("a pool whose defaults use nothing new has the bytes it always had", () => {
  const spec = { ...poolSpec, noSni: { backends: [backend()], timeouts } };
  const sockets = { reservedSockets: [], fleetAddresses: [] };
  expect(Buffer.from(encodeSettings(spec, sockets)).toString("hex")).toBe(plainSettings);
});

test("every field arrives, and the route requires the features it uses", () => {
  expect(decode({ ...plain, ...everything })).toMatchObject({
    requires: ["access", "balance", "limits", "match", "proxyProtocol"],
    match: {
      alpn: [Uint8Array.of(0, 255), Uint8Array.of(0x68, 0x32)],
      sourceCidrs: ["10.0.0.0/8"],
      countries: ["NL"],
    },
    balance: Balance.SOURCE_HASH,
    proxyProtocol: ProxyProtocol.V2,
    proxyTlvs: [ProxyTlv.AUTHORITY, ProxyTlv.ALPN, ProxyTlv.UNIQUE_ID, ProxyTlv.EDGE],
    limits: { connections: 10, newPerSecond: 5, bytesPerSecond: 8_000_000_000n, mode: LimitMode.OBSERVE },
    access: {
      allow: ["192.0.2.0/24"],
      deny: ["198.51.100.0/24"],
      allowCountries: ["DE"],
      denyCountries: ["FR"],
      minTlsVersion: 0x0303,
    },
    onReject: OnReject.DROP,
  });
});

test("what is not limited is absent, and not zero", () => {
  const route = decode({ ...plain, limits: { ...limits, connectionsPerSource: 3, newPerSecondPerSource: 4 } });
  expect(route.limits).toMatchObject({ connectionsPerSource: 3, newPerSecondPerSource: 4, mode: LimitMode.ENFORCE });
  expect([route.limits?.connections, route.limits?.newPerSecond, route.limits?.bytesPerSecond]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test.each([
  ["match", "match", { match: { alpn: [], sourceCidrs: [], countries: ["NL"] } }],
  ["a balance", "balance", { balance: "random" }],
  ["a PROXY header", "proxyProtocol", { proxyProtocol: "v1" }],
  ["limits", "limits", { limits: { ...limits, connections: 1 } }],
  [
    "access",
    "access",
    { access: { allow: [], deny: [], allowCountries: [], denyCountries: [], minTlsVersion: "1.3" } },
  ],
] as const)("%s alone requires its feature alone", (_, feature, spec) => {
  expect(decode({ ...plain, ...structuredClone(spec) } as RouteSpec).requires).toEqual([feature]);
});

test("onReject requires no feature: every edge knows it", () => {
  expect(decode({ ...plain, onReject: "drop" })).toMatchObject({ requires: [], onReject: OnReject.DROP });
});

test("a default of a pool has the same fields, and requires what it uses", () => {
  const { balance, proxyProtocol, limits: bounds, access } = everything as Required<RouteSpec>;
  const unmatched = { backends: [backend()], timeouts, balance, proxyProtocol, limits: bounds, access };
  const bytes = encodeSettings({ ...poolSpec, unmatched }, { reservedSockets: [], fleetAddresses: [] });
  const settings = fromBinary(PoolSettingsSchema, bytes);
  expect(settings.unmatched).toMatchObject({
    requires: ["access", "balance", "limits", "proxyProtocol"],
    balance: Balance.SOURCE_HASH,
    limits: { connections: 10 },
    access: { minTlsVersion: 0x0303 },
  });
  expect(settings.requires).toEqual([]);
});

test("the same content gives the same bytes, in whatever order its fields were put together", () => {
  const spec = { ...plain, ...everything };
  const turned = Object.fromEntries(Object.entries(spec).toReversed()) as unknown as RouteSpec;
  expect(encode(turned)).toEqual(encode(spec));
});
