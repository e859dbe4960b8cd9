import { expect, test } from "vitest";
import { sourceKey, unmapped } from "./source.ts";

test("unmaps v4-mapped addresses and nothing else", () => {
  expect(unmapped("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(unmapped("192.0.2.1")).toBe("192.0.2.1");
  expect(unmapped("2001:db8::1")).toBe("2001:db8::1");
});

test("counts IPv4 by address and IPv6 by /64", () => {
  expect(sourceKey("192.0.2.1")).not.toBe(sourceKey("192.0.2.2"));
  expect(sourceKey("2001:db8:0:1::1")).toBe(sourceKey("2001:db8:0:1:ffff::2"));
  expect(sourceKey("2001:db8:0:1::1")).not.toBe(sourceKey("2001:db8:0:2::1"));
  expect(sourceKey("fe80::1%eth0")).toBe(sourceKey("fe80::2"));
});
