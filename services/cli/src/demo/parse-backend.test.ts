import { ConfigError } from "@helloway/runtime/environment";
import { expect, test } from "vitest";
import { defaultBackends, parseBackends } from "./parse-backend.ts";

test("a backend is a name and where it listens", () => {
  expect(parseBackends(["one.localhost=0.0.0.0:9001", "two.localhost=[::1]:0"])).toEqual([
    { name: "one.localhost", host: "0.0.0.0", port: 9001 },
    { name: "two.localhost", host: "::1", port: 0 },
  ]);
  expect(parseBackends(defaultBackends)).toHaveLength(2);
});

test("everything that is no backend is named at once", () => {
  const refused = (): unknown => parseBackends(["one.localhost", "../x=127.0.0.1:1", "a=127.0.0.1:1", "a=127.0.0.1:2"]);
  expect(refused).toThrow(ConfigError);
  expect(refused).toThrow(/"one\.localhost" must be[\s\S]*"\.\.\/x=127\.0\.0\.1:1" must be[\s\S]*a is given twice/);
});
