import { describe, expect, test } from "vitest";
import { isOwnHost } from "./host-check.ts";

describe("isOwnHost", () => {
  const behindProxy = { publicUrl: "https://helloway.example.com", loopback: false };
  const onLoopback = { publicUrl: null, loopback: true };

  test.each(["helloway.example.com", "HELLOWAY.example.com", "helloway.example.com:443"])(
    "%s is the public URL's",
    (host) => {
      expect(isOwnHost(host, behindProxy)).toBe(true);
    },
  );

  test.each([
    "helloway.example.com:8443",
    "example.com",
    "evil.example",
    "localhost",
    "127.0.0.1",
    "",
    "a b",
    "x@helloway.example.com",
  ])("%j is not", (host) => {
    expect(isOwnHost(host, behindProxy)).toBe(false);
  });

  test.each(["localhost", "localhost:8080", "api.localhost:9", "127.0.0.1:8080", "127.8.8.8", "[::1]:8080"])(
    "%s is loopback",
    (host) => {
      expect(isOwnHost(host, onLoopback)).toBe(true);
    },
  );

  test.each([
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "0.0.0.0:8080",
    "[::2]",
    "evil.example:8080",
  ])("%s is not", (host) => {
    expect(isOwnHost(host, onLoopback)).toBe(false);
  });

  test("without a public URL nothing but loopback is ours", () => {
    expect(isOwnHost("localhost", { publicUrl: null, loopback: false })).toBe(false);
  });

  test("a port of the public URL counts", () => {
    const options = { publicUrl: "https://helloway.example.com:8443/", loopback: false };
    expect(isOwnHost("helloway.example.com:8443", options)).toBe(true);
    expect(isOwnHost("helloway.example.com", options)).toBe(false);
  });
});
