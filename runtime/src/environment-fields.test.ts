import { expect, test } from "vitest";
import { boolean, duration, integer, socketAddress, socketAddressList, url } from "./environment-fields.ts";

test.each([
  ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
  ["[::1]:443", { host: "::1", port: 443 }],
  ["[::]:0", { host: "::", port: 0 }],
  ["control.example.com:8081", { host: "control.example.com", port: 8081 }],
])("%s is a socket address", (text, address) => {
  expect(socketAddress.parse(text)).toEqual(address);
});

test.each([
  "8080",
  ":8080",
  "127.0.0.1",
  "127.0.0.1:65536",
  "127.1:80",
  "999.0.0.1:80",
  "::1:443",
  "[::1]",
  "a b:1",
  "0.0.0.0:443+proxy",
  "fd:web",
  "[fe80::1%eth0]:1",
])("%s is refused as a socket address", (text) => {
  expect(socketAddress.safeParse(text).success).toBe(false);
});

test("a list of socket addresses names every one that is wrong", () => {
  expect(socketAddressList.parse("0.0.0.0:443, [::]:443")).toHaveLength(2);
  expect(socketAddressList.safeParse("x,127.0.0.1:1,y").error?.issues).toHaveLength(2);
});

test.each([
  ["500ms", 500],
  ["0s", 0],
  ["1m30s", 90_000],
  ["8760h", 31_536_000_000],
])("%s lasts %i ms", (text, ms) => {
  expect(duration.parse(text)).toBe(ms);
});

test.each(["", "5", "s", "-1s", "1.5s", "1d", "5s ", "999999999h999999999h999999999h999999999h9999999999h"])(
  "%s is no duration",
  (text) => {
    expect(duration.safeParse(text).success).toBe(false);
  },
);

test("an integer keeps to its bounds", () => {
  const field = integer({ min: 1, max: 64 });
  expect(field.parse("64")).toBe(64);
  for (const text of ["0", "65", "1e1", "0x10", "1.0", "", " 5"]) expect(field.safeParse(text).success).toBe(false);
});

test("a URL is http or https and loses its trailing slash", () => {
  expect(url.parse("https://helloway.example.com/")).toBe("https://helloway.example.com");
  for (const text of ["helloway.example.com", "ftp://x", "https://x/?a=1", "https://x/#y"]) {
    expect(url.safeParse(text).success).toBe(false);
  }
});

test("a boolean is true or false and nothing like it", () => {
  expect([boolean.parse("true"), boolean.parse("false")]).toEqual([true, false]);
  for (const text of ["1", "yes", "TRUE"]) expect(boolean.safeParse(text).success).toBe(false);
});
